"""Stores: a bucket and a folder behave alike, and each failure has its error."""

from __future__ import annotations

import fcntl
import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from botocore.stub import Stubber

from catalog.core.errors import SettingsError
from sync.errors import (
    NotInStoreError,
    StoreBusyError,
    StoreChangedError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    StoreTooLargeError,
    StoreUnreachableError,
)
from sync.stores import bounds
from sync.stores.base import Body, MinimumSpeed, Store
from sync.stores.choice import check_address, open_store
from tests.support.brokers import until
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.open_files import open_in
from tests.support.s3_server import S3Server
from tests.support.small_bucket import SmallBucket

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def bad(faulty: FaultyProxy, s3_source: str) -> Store:
    """A bucket behind the faulty proxy, with ``files/a`` in it."""
    store = open_store(s3_source, endpoint_url=faulty.address)
    store.write("files/a", CONTENT)
    return store


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time-outs."""
    monkeypatch.setattr("sync.stores.s3.READ_TIMEOUT_S", 1)
    monkeypatch.setattr(
        "sync.stores.base.MinimumSpeed", lambda: MinimumSpeed(bytes_per_s=100_000, window_s=0.5)
    )


def rest(body: Body) -> bytes:
    """Read a body to its end."""
    return b"".join(iter(body.read, b""))


def test_a_store_in_the_local_network_goes_through_no_proxy(
    s3_source: str, small_bucket: SmallBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nobody)
    store = open_store(s3_source, endpoint_url=small_bucket.address)
    store.write("files/a", CONTENT)
    assert store.head("files/a") is not None


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:1"])
def test_a_name_is_looked_up_only_where_a_proxy_is_named(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        raise socket.gaierror("no network yet")

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if proxy:
        monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    open_store("s3://bucket", endpoint_url="https://store.shop.example", region="eu-central-1")
    assert ("store.shop.example" in looked_up) is bool(proxy)


def test_what_is_written_is_read(store: Store) -> None:
    assert store.head("files/a") is None
    written = store.write("files/a", b"hello")
    assert store.head("files/a") == written
    assert written is not None
    assert written.bytes == 5
    assert store.read("files/a", 5) == b"hello"


def test_a_file_is_written_in_pieces_and_counted(store: Store) -> None:
    sent: list[int] = []
    entry = store.write("files/a", io.BytesIO(CONTENT), progress=sent.append)
    assert entry is not None
    assert entry.bytes == sum(sent) == len(CONTENT)
    assert store.read("files/a", len(CONTENT)) == CONTENT


def test_an_empty_object_is_one(store: Store) -> None:
    store.write("files/empty", io.BytesIO())
    assert store.read("files/empty", 10) == b""


def test_reading_begins_where_it_is_told(store: Store) -> None:
    store.write("files/a", CONTENT)
    entry = store.head("files/a")
    assert entry is not None
    with store.open("files/a", 1000, entry.etag) as body:
        assert (body.start, body.size, body.etag) == (1000, len(CONTENT), entry.etag)
        assert rest(body) == CONTENT[1000:]
        assert body.read() == b""


def test_what_is_absent_is_named(store: Store) -> None:
    with pytest.raises(NotInStoreError, match="files/nothing"):
        store.read("files/nothing", 10)
    with pytest.raises(NotInStoreError), store.open("files/nothing", 5):
        pass


def test_folders_are_listed_without_files(store: Store) -> None:
    for name in ("reports/one/a", "reports/two/b/c", "reports/note", "other/d"):
        store.write(name, b"x")
    assert sorted(store.folders("reports")) == ["one", "two"]
    assert store.folders("reports/one") == store.folders("absent") == []


def test_more_than_allowed_is_not_read(store: Store) -> None:
    store.write("files/a", CONTENT)
    with pytest.raises(StoreTooLargeError, match="more than 1000 bytes"):
        store.read("files/a", 1000)


def test_an_object_that_changed_is_not_read_on(store: Store) -> None:
    first = store.write("files/a", CONTENT)
    store.write("files/a", CONTENT[::-1])
    assert first is not None
    with pytest.raises(StoreChangedError), store.open("files/a", 10, first.etag):
        pass
    with pytest.raises(StoreChangedError), store.open("files/a", len(CONTENT)):
        pass


def test_only_one_can_be_the_first_to_write(store: Store) -> None:
    store.write("metadata/1.json", b"one", new=True)
    with pytest.raises(StoreConflictError, match="somebody else"):
        store.write("metadata/1.json", b"other", new=True)
    assert store.read("metadata/1.json", 10) == b"one"


def test_only_what_was_seen_is_replaced(store: Store) -> None:
    seen = store.write("metadata/t.json", b"one")
    assert seen is not None
    newer = store.write("metadata/t.json", b"two", replaces=seen.etag)
    assert newer is not None
    with pytest.raises(StoreConflictError):
        store.write("metadata/t.json", b"three", replaces=seen.etag)
    assert store.read("metadata/t.json", 10) == b"two"
    with pytest.raises(StoreConflictError):
        store.write("metadata/gone.json", b"x", replaces=seen.etag)


def test_what_was_removed_meanwhile_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon's store answers so; the one of the tests says that the condition does not hold."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    store = open_store("s3://bucket/shop", region="eu-central-1")
    client = store._client  # type: ignore[attr-defined]
    with Stubber(client) as answers:
        for _ in range(2):
            answers.add_client_error("put_object", "NoSuchKey", http_status_code=404)
        with pytest.raises(StoreConflictError, match="somebody else has removed metadata"):
            store.write("metadata/t.json", b"x", replaces="seen")
        with pytest.raises(NotInStoreError, match="has no metadata"):
            store.write("metadata/t.json", b"x")


@pytest.mark.parametrize(
    ("endpoint", "named"), [("", "S3"), ("http://minio:9000", "http://minio:9000")]
)
def test_who_cannot_be_reached_is_named(endpoint: str, named: str) -> None:
    store = open_store("s3://bucket/shop", endpoint_url=endpoint, region="eu-central-1")
    said = str(store.cut_off("files/a", OSError("gone")))  # type: ignore[attr-defined]
    assert said == f"s3://bucket/shop: files/a: {named} cannot be reached: gone"


def test_a_name_that_no_file_can_have_is_an_error_and_nothing_absent(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    for ask in (store.head, store.folders, lambda name: store.read(name, 1)):
        with pytest.raises(StoreError, match="File name too long"):
            ask("x" * 300)


@pytest.mark.parametrize("source", ["", "shop", "http://x/y", "s3:///x", "file://host/x", "file:x"])
def test_other_places_are_refused(source: str) -> None:
    with pytest.raises(SettingsError, match="s3://bucket/prefix"):
        open_store(source)


def test_a_name_no_bucket_can_have_is_refused(s3_source: str) -> None:
    with pytest.raises(
        StoreError, match=r"s3://a:b/shop: x: Parameter validation failed:\nInvalid"
    ):
        open_store("s3://a:b/shop").head("x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/shop", True),
        ("s3://bucket", True),
        ("file:///media/stick", True),
        ("s3:///shop", False),
        ("file:///", False),
        ("file://host/x", False),
        ("https://shop.example", False),
        ("see s3://bucket/shop", False),
    ],
)
def test_an_address_is_known_by_its_form(text: str, *, expected: bool) -> None:
    refused = pytest.raises(SettingsError, match="is neither s3://BUCKET")
    with nullcontext() if expected else refused:
        check_address(text)


@pytest.mark.parametrize("endpoint", ["minio:9000/x y", "http://[::1"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str, s3_source: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{s3_source}: Invalid"):
        open_store(s3_source, endpoint_url=endpoint)


def test_a_stick_that_is_not_in_is_named(tmp_path: Path) -> None:
    store = open_store((tmp_path / "stick").as_uri())
    for ask in (
        lambda: store.head("a"),
        lambda: store.folders("a"),
        lambda: store.read("a", 1),
        lambda: store.write("a", b""),
    ):
        with pytest.raises(StoreError, match="is the stick in and mounted"):
            ask()
    assert not (tmp_path / "stick").exists()


def test_a_stick_that_fails_while_it_is_read_is_named() -> None:
    store = open_store("file:///proc/self")
    said = r"^file:///proc/self: mem: Input/output error$"  # nothing is at its beginning
    with store.open("mem") as body, pytest.raises(StoreError, match=said):
        body.read()


def test_a_folder_with_spaces_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    open_store((tmp_path / "a b").as_uri()).write("x", b"1")
    assert (tmp_path / "a b" / "x").read_bytes() == b"1"


def test_what_is_written_on_a_stick_is_flushed_before_and_after_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process at a time compares and replaces."""
    steps: list[object] = []
    monkeypatch.setattr(
        "sync.stores.folder.os.fsync", lambda file: steps.append(os.fstat(file).st_size)
    )
    monkeypatch.setattr(
        "sync.stores.folder.durable.flush_folder",
        lambda folder: steps.append([path.name for path in folder.iterdir()]),
    )
    monkeypatch.setattr("sync.stores.folder.fcntl.flock", lambda _, how: steps.append(how))
    store = open_store(tmp_path.as_uri())
    (tmp_path / "files").mkdir()
    store.write("files/a", b"hello")
    assert steps == [5, fcntl.LOCK_EX, ["a"]]
    assert tmp_path.name not in open_in(tmp_path.parent), "the lock is let go"


def test_a_byte_behind_the_last_is_not_there(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    store.write("a", b"x")
    with pytest.raises(StoreChangedError), store.open("a", 1):
        pass
    with store.open("a") as whole:
        assert rest(whole) == b"x"
    said = str(store._failed("a", OSError("it was pulled out")))  # type: ignore[attr-defined]
    assert said.endswith("a: it was pulled out")


def test_a_writer_that_is_interrupted_leaves_the_old_file(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    store.write("files/a", b"old")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "the disk is broken")
            return super().read(2)

    with pytest.raises(StoreError, match="the disk is broken"):
        store.write("files/a", Broken(b"news"))
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["a"]
    assert store.read("files/a", 9) == b"old"


def test_large_files_are_sent_in_parts(
    s3_server: S3Server, s3_source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sync.stores.s3.MULTIPART_BYTES", 20 << 20)
    content = os.urandom(1 << 20) * 21
    (tmp_path / "large").write_bytes(content)
    store = open_store(s3_source, endpoint_url=s3_server.address)
    sent: list[int] = []
    with (tmp_path / "large").open("rb") as file:
        entry = store.write("files/large", file, progress=sent.append)
    assert entry is not None
    assert "-3" in entry.etag  # the tag says how many parts
    assert sum(sent) == len(content)
    assert store.read("files/large", len(content)) == content


def test_the_wrong_secret_is_refused(
    s3_server: S3Server, s3_source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = open_store(s3_source, endpoint_url=s3_server.address)
    for ask in (lambda: store.head("a"), lambda: store.read("a", 1), lambda: store.write("a", b"")):
        with pytest.raises(StoreRefusedError, match="check the credentials"):
            ask()


def test_credentials_that_are_missing_are_named(
    small_bucket: SmallBucket, s3_source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = open_store(s3_source, endpoint_url=small_bucket.address)
    with pytest.raises(StoreRefusedError, match="Unable to locate credentials"):
        store.read("a", 1)


def test_a_bucket_that_is_not_there_is_named(small_bucket: SmallBucket, s3_source: str) -> None:
    store = open_store("s3://nobodys-bucket/x", endpoint_url=small_bucket.address)
    with pytest.raises(NotInStoreError, match="no bucket nobodys-bucket"):
        store.read("a", 1)


@pytest.mark.parametrize(
    ("place", "reason"), [("nowhere.invalid", "[Nn]ame"), ("127.0.0.1", "Connection refused")]
)
def test_a_store_that_does_not_answer_is_unreachable(
    place: str, reason: str, s3_source: str
) -> None:
    with socket.socket() as closed:  # bound, and not listened on
        closed.bind(("127.0.0.1", 0))
        address = f"http://{place}:{closed.getsockname()[1]}"
        with pytest.raises(StoreUnreachableError, match=f"cannot be reached: .*{reason}"):
            open_store(s3_source, endpoint_url=address).head("a")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, StoreRefusedError),
        (404, NotInStoreError),
        (500, StoreBusyError),
        (503, StoreBusyError),
        (400, StoreError),
    ],
)
def test_answers_have_names(
    status: int, kind: type[StoreError], bad: Store, faulty: FaultyProxy
) -> None:
    faulty.faults.append(Fault("files/a", "status", status=status))
    with pytest.raises(StoreError) as caught:
        bad.read("files/a", len(CONTENT))
    assert type(caught.value) is kind


def test_a_request_to_a_busy_store_is_repeated(bad: Store, faulty: FaultyProxy) -> None:
    faulty.faults.append(Fault("files/a", "status", times=2))
    assert bad.read("files/a", len(CONTENT)) == CONTENT
    faulty.requests.clear()
    faulty.faults.append(Fault("files/a", "status"))
    with pytest.raises(StoreBusyError):
        bad.read("files/a", len(CONTENT))
    assert len(faulty.requests) == 3, "no more than that: others want it, too"


@pytest.mark.parametrize("how", ["truncate", "reset", "say more"])
def test_an_answer_that_is_cut_off_is_not_taken_for_complete(
    how: str, bad: Store, faulty: FaultyProxy, short_timeouts: None
) -> None:
    for after in (5000, len(CONTENT) - 1):
        faulty.faults[:] = [Fault("files/a", how, after=after)]  # type: ignore[arg-type]
        with pytest.raises(StoreUnreachableError), bad.open("files/a") as body:
            rest(body)


@pytest.mark.parametrize("how", ["trickle", "silent"])
def test_a_store_cannot_keep_its_reader_waiting(
    how: str, bad: Store, faulty: FaultyProxy, short_timeouts: None, s3_source: str
) -> None:
    store = open_store(s3_source, endpoint_url=faulty.address)  # with the shorter time-outs
    faulty.faults.append(Fault("files/a", how, after=5000))  # type: ignore[arg-type]
    with pytest.raises(StoreUnreachableError, match=r"too slow|timed out"):
        store.read("files/a", len(CONTENT))


def test_endless_data_ends(bad: Store, faulty: FaultyProxy) -> None:
    faulty.faults.append(Fault("files/a", "endless"))
    with pytest.raises(StoreTooLargeError):
        bad.read("files/a", len(CONTENT))


def test_an_endless_refusal_ends(bad: Store, faulty: FaultyProxy) -> None:
    """It is not read: the proxy cannot send more than fits into the buffers between."""
    faulty.faults.append(Fault("files/a", "endless refusal", status=403))
    with pytest.raises(StoreRefusedError):
        bad.read("files/a", len(CONTENT))
    until(lambda: all(request.ended for request in faulty.requests))
    assert 0 < sum(request.bytes for request in faulty.requests) < 32 << 20


def test_headers_that_trickle_in_are_not_waited_for(
    bad: Store, faulty: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ANSWER_TIMEOUT_S", 0.5)
    faulty.faults.append(Fault("files/a", "slow headers"))
    with pytest.raises(StoreUnreachableError, match="Read timeout"):
        bad.read("files/a", len(CONTENT))
    left = [thread for thread in threading.enumerate() if thread.name == "asking S3"]
    assert left
    assert all(thread.daemon for thread in left), "no process waits for them at its end"


def test_what_goes_wrong_in_time_is_raised_and_not_tried_in_another_way() -> None:
    assert bounds.in_time(lambda: 5, "http://store") == 5
    with pytest.raises(ZeroDivisionError):
        bounds.in_time(lambda: 1 / 0, "http://store")


def test_what_arrived_can_be_taken_at_once(bad: Store, faulty: FaultyProxy) -> None:
    """`Body.read` does not wait for more than the first byte."""
    faulty.faults.append(Fault("files/a", "silent", after=5000))
    with bad.open("files/a") as body:
        arrived = b""
        while len(arrived) < 5000:
            arrived += body.read()
    assert arrived == CONTENT[:5000]


def test_a_store_that_ignores_conditions_is_noticed(bad: Store, faulty: FaultyProxy) -> None:
    first = bad.head("files/a")
    assert first is not None
    bad.write("files/a", CONTENT[::-1])
    faulty.faults.append(Fault("files/a", "ignore conditions"))
    with pytest.raises(StoreChangedError), bad.open("files/a", 10, first.etag):
        pass


def test_a_store_that_ignores_ranges_says_where_it_begins(bad: Store, faulty: FaultyProxy) -> None:
    faulty.faults.append(Fault("files/a", "ignore ranges"))
    with bad.open("files/a", 1000) as body:
        assert body.start == 0
        assert rest(body) == CONTENT


def test_every_character_of_a_prefix_counts(small_bucket: SmallBucket, s3_source: str) -> None:
    """A ``#`` or ``?`` is none of an address's parts: without it, another place is meant."""
    for prefix in ("a#b", "a?b=c", "a b", "a%20b"):
        store = open_store(f"{s3_source}/{prefix}", endpoint_url=small_bucket.address)
        store.write("files/a", prefix.encode())
    for prefix in ("a#b", "a?b=c", "a b", "a%20b"):
        store = open_store(f"{s3_source}/{prefix}", endpoint_url=small_bucket.address)
        assert store.read("files/a", 100) == prefix.encode()
    with pytest.raises(NotInStoreError):
        open_store(f"{s3_source}/a", endpoint_url=small_bucket.address).read("files/a", 100)


def test_every_character_of_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "a#b?c d").mkdir()
    for source in ((tmp_path / "a#b?c d").as_uri(), f"file://{tmp_path}/a#b?c d"):
        open_store(source).write("files/a", source.encode())
        assert (tmp_path / "a#b?c d" / "files" / "a").read_bytes() == source.encode()


@pytest.mark.parametrize(
    "source", ["s3://bucket#a/b", "s3://bucket?a", "s3:///a", "s3:bucket/a", ""]
)
def test_an_address_without_a_clear_bucket_is_refused(source: str) -> None:
    said = re.escape(f"{source or 'no source'}: not a place to look for catalogues")
    with pytest.raises(SettingsError, match=f"^{said}"):
        open_store(source)


def test_the_package_for_buckets_is_loaded_late() -> None:
    """Modules that reach stores, or check signatures, do not load it when they are imported."""
    code = (
        "import sys, sync.stores.base, sync.stores.s3, sync.trust.keys; "
        "print('boto3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_minimum_speed_allows_slow_and_refuses_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    speed = MinimumSpeed(bytes_per_s=100, window_s=10)

    def arrive(count: int, seconds: float) -> None:
        now[0] += seconds
        speed.count(count)

    for _ in range(10):
        arrive(600, 5)
    arrive(10, 5)  # a pause shorter than the window
    arrive(2000, 4)
    arrive(0, 1)
    with pytest.raises(StoreUnreachableError, match="too slow: 10 bytes"):
        arrive(10, 20)
