"""One file from a real store over a bad connection: complete and right, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.errors import (
    ForgedError,
    NotInStoreError,
    StoreBusyError,
    StoreChangedError,
    StoreError,
    StoreRefusedError,
    StoreTooLargeError,
    StoreUnreachableError,
)
from sync.stores.base import MinimumSpeed, Store
from sync.stores.choice import open_store
from sync.stores.fetch import FileFetcher, WantedFile, sweep
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.open_files import open_in
from tests.support.s3_server import ACCESS, BUCKET, SECRET

CONTENT = random.Random(4).randbytes(3_000_000)
STEP = len(CONTENT) // 32  # between two flushes


def wanted(content: bytes = CONTENT) -> WantedFile:
    """The file as a manifest lists it."""
    return WantedFile(hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


SHARED = f"s3://{BUCKET}/fetch"
FILE = f"files/{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(
    scope="module", params=[pytest.param("whole server", marks=pytest.mark.slow), "in memory"]
)
def link(request: pytest.FixtureRequest) -> Iterator[tuple[FaultyProxy, Store]]:
    """A bucket with the file in it, behind a proxy that can fail; a client is slow to make."""
    in_memory = request.param == "in memory"
    proxy = FaultyProxy(
        request.getfixturevalue("small_bucket" if in_memory else "s3_server").address
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        store = open_store(SHARED, endpoint_url=proxy.address)
        store.write(FILE, CONTENT)
        yield proxy, store
    proxy.close()


@pytest.fixture
def faulty(link: tuple[FaultyProxy, Store]) -> FaultyProxy:
    """The proxy, healthy."""
    link[0].faults.clear()
    link[0].requests.clear()
    return link[0]


@pytest.fixture
def store(faulty: FaultyProxy, link: tuple[FaultyProxy, Store]) -> Store:
    return link[1]


@pytest.fixture
def fetch(store: Store, incoming: Path) -> FileFetcher:
    return FileFetcher(store, incoming)


def names(folder: Path) -> set[str]:
    """Names in a folder, digests left out."""
    return {path.name.replace(wanted().sha256, "it") for path in folder.iterdir()}


def sent(faulty: FaultyProxy) -> int:
    """Bytes that the proxy passed on."""
    return sum(request.bytes for request in faulty.requests)


class KilledError(Exception):
    """Stands for a kill, except that what was not flushed is flushed."""


def kill_after(count: int) -> Callable[[int, int], None]:
    """A progress function that ends the fetch when `count` bytes are present."""

    def progress(here: int, fetched: int) -> None:
        if here >= count:
            raise KilledError

    return progress


def test_a_file_comes_whole_and_nothing_else_stays(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy
) -> None:
    heard = []
    path = fetch.fetch(wanted(), lambda here, fetched: heard.append((here, fetched)))
    assert path.read_bytes() == CONTENT
    assert names(incoming) == {"it"}
    assert heard[-1][0] == sum(fetched for _, fetched in heard) == len(CONTENT)
    assert sent(faulty) == len(CONTENT)
    assert fetch.fetch(wanted()) == path
    assert sent(faulty) == len(CONTENT), "what is here is not fetched again"
    assert open_in(incoming) == []


def test_what_came_is_on_the_disk_every_few_steps(fetch: FileFetcher, incoming: Path) -> None:
    """So a kill, or a power cut, loses little of a large file."""
    lost: list[int] = []

    def look(here: int, fetched: int) -> None:
        file = incoming / f"{wanted().sha256}.journal"
        lost.append(here - (json.loads(file.read_bytes())["bytes"] if file.exists() else 0))

    fetch.fetch(wanted(), look)
    assert max(lost) < 2 * STEP


def test_a_fetch_is_resumed_where_it_ended(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy
) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(2_000_000))
    here = fetch.bytes_present(wanted())
    assert here >= 2_000_000
    assert names(incoming) == {"it.part", "it.journal"}
    faulty.requests.clear()
    assert fetch.fetch(wanted()).read_bytes() == CONTENT
    (request,) = faulty.requests
    assert request.range == f"bytes={here}-"
    assert request.bytes == len(CONTENT) - here


def test_bytes_behind_the_journal_do_not_count(fetch: FileFetcher, incoming: Path) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(1_000_000))
    here = fetch.bytes_present(wanted())
    with (incoming / f"{wanted().sha256}.part").open("ab") as file:
        file.write(bytes(100_000))  # as ext4 leaves what was never flushed
    assert fetch.bytes_present(wanted()) == here
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


@pytest.mark.parametrize("journal", [b"", b"{", b"\0" * 60, b'{"etag": "x", "bytes": 9000000}'])
def test_a_wrong_journal_means_to_begin_anew(
    fetch: FileFetcher, incoming: Path, journal: bytes
) -> None:
    (incoming / f"{wanted().sha256}.part").write_bytes(CONTENT[:5000])
    (incoming / f"{wanted().sha256}.journal").write_bytes(journal)
    assert fetch.bytes_present(wanted()) == 0
    journals: list[bool] = []
    path = fetch.fetch(wanted(), lambda *_: journals.append("it.journal" in names(incoming)))
    assert path.read_bytes() == CONTENT
    assert not journals[0], "it is not about the bytes that come now"


def test_a_wrong_byte_from_before_is_found_and_the_file_begun_anew(
    fetch: FileFetcher, store: Store, incoming: Path
) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(1_000_000))
    with (incoming / f"{wanted().sha256}.part").open("r+b") as file:
        file.seek(1234)
        file.write(bytes([CONTENT[1234] ^ 1]))
    assert fetch.fetch(wanted()).read_bytes() == CONTENT
    assert names(incoming) == {"it"}
    fetch.discard(wanted())
    object_there = store.head(FILE)
    assert object_there is not None
    (incoming / f"{wanted().sha256}.part").write_bytes(bytes([CONTENT[0] ^ 1]))
    journal = json.dumps({"etag": object_there.etag, "bytes": 1})
    (incoming / f"{wanted().sha256}.journal").write_text(journal)
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


def test_a_finished_file_that_was_damaged_is_fetched_again(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy
) -> None:
    (incoming / wanted().sha256).write_bytes(CONTENT[:-1] + b"x")
    faulty.faults.append(Fault("files/", "status", status=404))
    with pytest.raises(NotInStoreError):
        fetch.fetch(wanted())
    assert not fetch.is_complete(wanted())
    faulty.faults.clear()
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


def test_another_content_is_refused_and_nothing_of_it_stays(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/", "damage", after=2_500_000))
    with pytest.raises(ForgedError, match="is not what was signed"):
        fetch.fetch(wanted())
    assert names(incoming) == set()
    assert sent(faulty) == len(CONTENT), "one mismatch is enough"


@pytest.mark.parametrize("how", ["truncate", "reset"])
def test_a_link_that_breaks_off_is_taken_up_again(
    fetch: FileFetcher, faulty: FaultyProxy, how: str
) -> None:
    faulty.faults.append(Fault("files/", how, times=3, after=900_000))  # type: ignore[arg-type]
    fetched = []
    path = fetch.fetch(wanted(), lambda here, count: fetched.append(count))
    assert path.read_bytes() == CONTENT
    assert len(faulty.requests) == 4
    assert sum(fetched) < 1.1 * len(CONTENT)


def test_a_link_that_brings_nothing_twice_after_it_brought_much_is_not_left(
    fetch: FileFetcher, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/", "truncate", times=1, after=900_000))
    faulty.faults.append(Fault("files/", "truncate", times=2))
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["truncate", "reset", "busy"])
def test_a_link_that_brings_nothing_is_left_soon(
    fetch: FileFetcher, faulty: FaultyProxy, how: str
) -> None:
    faulty.faults.append(Fault("files/", how))  # type: ignore[arg-type]
    with pytest.raises((StoreUnreachableError, StoreBusyError)):
        fetch.fetch(wanted())
    assert len(faulty.requests) <= 9


def test_a_slow_store_does_not_keep_the_device_and_its_bytes_stay(
    store: Store, incoming: Path, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/", "trickle", after=20_000))
    hurried = FileFetcher(
        store, incoming, lambda: MinimumSpeed(bytes_per_s=1_000_000, window_s=1.0)
    )
    with pytest.raises(StoreUnreachableError, match="too slow"):
        hurried.fetch(wanted())
    faulty.faults.clear()
    fetcher = FileFetcher(store, incoming)  # a busy machine may be slow, once the store is well
    assert fetcher.bytes_present(wanted()) >= 20_000
    assert fetcher.fetch(wanted()).read_bytes() == CONTENT


def test_a_silent_store_does_not_keep_the_device(
    incoming: Path,
    faulty: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sync.stores.s3.READ_TIMEOUT_S", 0.3)
    faulty.faults.append(Fault("files/", "silent", after=20_000))
    fetcher = FileFetcher(open_store(SHARED, endpoint_url=faulty.address), incoming)
    with pytest.raises(StoreUnreachableError):
        fetcher.fetch(wanted())
    assert fetcher.bytes_present(wanted()) >= 20_000


@pytest.mark.parametrize("how", ["say less", "endless"])
def test_a_length_that_is_not_the_signed_one_is_refused_before_a_byte(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy, how: str
) -> None:
    faulty.faults.append(Fault("files/", how))  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        fetch.fetch(wanted())
    assert names(incoming) == set()


def test_a_length_that_is_too_large_is_refused_before_a_byte(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/", "say more"))
    with pytest.raises(StoreTooLargeError, match="were signed"):
        fetch.fetch(wanted())
    assert names(incoming) == set()


def test_a_store_that_ignores_ranges_sends_all_again(
    fetch: FileFetcher, faulty: FaultyProxy
) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(1_000_000))
    faulty.faults.append(Fault("files/", "ignore ranges"))
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


def test_a_store_that_sends_all_again_is_believed_no_second_time(
    fetch: FileFetcher, store: Store, incoming: Path, faulty: FaultyProxy
) -> None:
    try:
        wrong = store.write(FILE, CONTENT[:-1] + b"x")
        assert wrong is not None
        (incoming / f"{wanted().sha256}.part").write_bytes(CONTENT[:5000])
        journal = json.dumps({"etag": wrong.etag, "bytes": 5000})
        (incoming / f"{wanted().sha256}.journal").write_text(journal)
        faulty.faults.append(Fault("files/", "ignore ranges"))
        with pytest.raises(ForgedError):
            fetch.fetch(wanted())
    finally:
        store.write(FILE, CONTENT)
    assert sent(faulty) == len(CONTENT)


@pytest.mark.parametrize("how", ["", "ignore conditions"])
def test_an_object_that_changes_on_the_way_is_begun_anew(
    fetch: FileFetcher,
    store: Store,
    faulty: FaultyProxy,
    how: str,
) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(1_000_000))
    if how:
        faulty.faults.append(Fault("files/", how))  # type: ignore[arg-type]
    store.write(FILE, CONTENT[:-1] + b"x")
    try:
        with pytest.raises(ForgedError):
            fetch.fetch(wanted())
    finally:
        store.write(FILE, CONTENT)
    assert fetch.bytes_present(wanted()) == 0
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


def test_an_object_that_never_stops_changing_is_left(
    fetch: FileFetcher, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/", "status", status=412))
    with pytest.raises(StoreChangedError):
        fetch.fetch(wanted())
    assert len(faulty.requests) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, StoreRefusedError),
        (404, NotInStoreError),
        (500, StoreBusyError),
        (503, StoreBusyError),
    ],
)
def test_a_refusal_is_named(
    fetch: FileFetcher, incoming: Path, faulty: FaultyProxy, status: int, error: type[StoreError]
) -> None:
    faulty.faults.append(Fault("files/", "status", status=status))
    with pytest.raises(error):
        fetch.fetch(wanted())
    assert names(incoming) == set()


def test_an_empty_file_is_a_file(store: Store, incoming: Path) -> None:
    store.write(f"files/{wanted(b'').sha256}", b"")
    assert FileFetcher(store, incoming).fetch(wanted(b"")).read_bytes() == b""


FETCHING = """
import sys
from pathlib import Path
from sync.stores.fetch import FileFetcher, WantedFile
from sync.stores.choice import open_store

source, address, folder, sha256, size = sys.argv[1:]
def say(here, fetched):
    print(here, flush=True)
fetcher = FileFetcher(open_store(source, endpoint_url=address), Path(folder))
fetcher.fetch(WantedFile(sha256, int(size)), say)
"""


@pytest.mark.parametrize(
    "link", [pytest.param("whole server", marks=pytest.mark.slow)], indirect=True
)
def test_kills_lose_few_bytes_and_damage_nothing(
    store: Store, incoming: Path, faulty: FaultyProxy
) -> None:
    fetch = FileFetcher(store, incoming)
    faulty.faults.append(Fault("files/", "silent"))
    for goal in (1_000_000, 2_000_000):  # then silence, so that the kill finds it at it
        faulty.faults[0].after = goal - fetch.bytes_present(wanted())
        words = [SHARED, faulty.address, str(incoming), wanted().sha256, str(len(CONTENT))]
        child = subprocess.Popen(
            [sys.executable, "-c", FETCHING, *words], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        for line in child.stdout:
            if int(line) >= goal:
                break
        child.kill()
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        assert fetch.bytes_present(wanted()) >= goal - 2 * STEP
    faulty.faults.clear()
    assert fetch.fetch(wanted()).read_bytes() == CONTENT


def test_only_what_is_wanted_and_resumable_is_left_by_a_sweep(incoming: Path) -> None:
    kept, other = wanted().sha256, wanted(b"x").sha256
    for name in (
        kept,
        f"{kept}.part",
        f"{kept}.journal",
        f"{other}.part",
        other,
        "notes",
        "x.part",
    ):
        (incoming / name).write_text("x")
    (incoming / "20261122T090000Z-0123456789ab" / "featurizer").mkdir(parents=True)
    os.symlink("/etc", incoming / "link")
    sweep(incoming, {kept})
    assert names(incoming) == {"it", "it.part", "it.journal"}
    sweep(incoming / "absent", set())


def test_the_journal_says_how_far_and_of_which_object(fetch: FileFetcher, incoming: Path) -> None:
    with pytest.raises(KilledError):
        fetch.fetch(wanted(), kill_after(1_000_000))
    said = json.loads((incoming / f"{wanted().sha256}.journal").read_text())
    assert said["bytes"] == (incoming / f"{wanted().sha256}.part").stat().st_size
    assert said["etag"]
