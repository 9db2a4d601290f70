"""A file that is fetched piece by piece, from a store that is a folder here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from catalog.bundles.manifest import FileEntry
from sync.catalogues.downloads import Downloads
from sync.errors import StoreUnreachableError
from sync.stores.base import FILES
from sync.stores.choice import open_store
from sync.stores.fetch import CHUNK, MIN_STEP, FileFetcher, WantedFile, _prefix

CONTENT = bytes(range(256)) * 4000
WANTED = WantedFile(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
WANTED_ENTRY = FileEntry(sha256=WANTED.sha256, bytes=WANTED.bytes)


class LeftError(Exception):
    """Stands for the end of the process."""


def leave_at(count: int) -> Callable[[int, int], None]:
    """A progress function that ends the fetch when so many bytes are present."""

    def progress(here: int, fetched: int) -> None:
        if here >= count:
            raise LeftError

    return progress


@pytest.fixture
def fetch(tmp_path: Path) -> FileFetcher:
    (tmp_path / "store" / FILES).mkdir(parents=True)
    (tmp_path / "store" / FILES / WANTED.sha256).write_bytes(CONTENT)
    (tmp_path / "incoming").mkdir()
    return FileFetcher(open_store((tmp_path / "store").as_uri()), tmp_path / "incoming")


def test_what_came_is_kept_and_what_lies_behind_it_is_not_hashed(
    fetch: FileFetcher, tmp_path: Path
) -> None:
    with pytest.raises(LeftError):
        fetch.fetch(WANTED, leave_at(50_000))
    here = fetch.bytes_present(WANTED)
    assert here >= 50_000, "less than a step was flushed at the end"
    with (tmp_path / "incoming" / f"{WANTED.sha256}.part").open("ab") as part:
        part.write(bytes(1000))  # as a file system leaves what was never flushed
    began: list[int] = []
    path = fetch.fetch(WANTED, lambda at, fetched: began.append(at) if not fetched else None)
    assert path.read_bytes() == CONTENT
    assert began == [here], "it went on there, and did not begin anew"


def test_a_file_is_flushed_before_it_gets_its_name(
    fetch: FileFetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name says that it need not be hashed again."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flush(handle: int) -> None:
        fsync(handle)
        steps.append(f"{os.fstat(handle).st_size} bytes")

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr("sync.stores.fetch.os.fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    fetch.fetch(WANTED)
    before = steps[: steps.index("rename")]
    assert before[-1] == f"{len(CONTENT)} bytes"


def test_a_new_journal_is_flushed_with_its_folder_and_bytes_that_are_here_are_not_missing(
    fetch: FileFetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[set[str]] = []

    def note(folder: Path) -> None:
        flushed.append({path.suffix for path in folder.iterdir()})

    monkeypatch.setattr("sync.stores.fetch.durable.flush_folder", note)
    downloads = Downloads(fetch, lambda here, total, fetched: None)
    assert downloads.missing(WANTED_ENTRY) == len(CONTENT)
    with pytest.raises(LeftError):
        fetch.fetch(WANTED, leave_at(150_000))
    assert flushed == [{".part", ".journal"}], "once, when the journal is new"
    assert downloads.missing(WANTED_ENTRY) == len(CONTENT) - fetch.bytes_present(WANTED)
    downloads.fetch(WANTED_ENTRY)
    assert downloads.missing(WANTED_ENTRY) == 0


def test_a_file_that_is_here_is_told_at_once_and_a_damaged_one_begun_anew(
    fetch: FileFetcher, tmp_path: Path
) -> None:
    here = tmp_path / "incoming" / WANTED.sha256
    told: list[tuple[int, ...]] = []
    for content, expected in ((CONTENT, [(len(CONTENT), 0)]), (CONTENT[:-1] + b"x", [(0, 0)])):
        told.clear()
        here.write_bytes(content)
        assert fetch.fetch(WANTED, lambda *given: told.append(given)).read_bytes() == CONTENT
        assert told[:1] == expected
        assert told[-1][0] == len(CONTENT)
        assert [path.name for path in here.parent.iterdir()] == [WANTED.sha256]
    fetch.discard(WANTED)
    fetch.discard(WANTED)
    assert fetch.bytes_present(WANTED) == 0


@pytest.mark.parametrize(("gained", "tries"), [(MIN_STEP, 9), (MIN_STEP - 1, 3), (0, 3)])
def test_a_link_is_left_after_three_tries_that_bring_little(
    fetch: FileFetcher, monkeypatch: pytest.MonkeyPatch, gained: int, tries: int
) -> None:
    present, tried = [0], [0]

    def attempt(*_: object) -> Path:
        tried[0] += 1
        present[0] += gained
        if tried[0] == 9:
            return Path("whole")
        raise StoreUnreachableError("it broke off")

    monkeypatch.setattr(fetch, "_attempt", attempt)
    monkeypatch.setattr(fetch, "bytes_present", lambda _: present[0])
    if tries == 9:
        assert fetch.fetch(WANTED) == Path("whole")
    else:
        with pytest.raises(StoreUnreachableError, match="it broke off"):
            fetch.fetch(WANTED)
    assert tried == [tries]


@pytest.mark.parametrize("count", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_the_first_bytes_are_hashed(count: int, tmp_path: Path) -> None:
    content = bytes(2 * CHUNK)
    (tmp_path / "part").write_bytes(content)
    assert _prefix(tmp_path / "part", count).digest() == hashlib.sha256(content[:count]).digest()


def test_a_body_that_ends_early_is_no_file_and_what_it_brought_stays(
    fetch: FileFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    @contextmanager
    def open_body(name: str, start: int = 0, etag: str | None = None) -> Iterator[SimpleNamespace]:
        begun.append(start)
        pieces = iter([CONTENT[start : start + 1000], *9 * [b""]])
        yield SimpleNamespace(
            size=len(CONTENT), start=start, etag="x", read=lambda limit: next(pieces)
        )

    monkeypatch.setattr(fetch._store, "open", open_body)
    with pytest.raises(StoreUnreachableError, match=f"ended after 3000 of {len(CONTENT)} bytes"):
        fetch.fetch(WANTED)
    assert begun == [0, 1000, 2000], "three tries that bring little, each where the last one ended"
    assert fetch.bytes_present(WANTED) == 3000


def test_a_file_is_complete_once_it_is_fetched(
    fetch: FileFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: flushed.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    with pytest.raises(LeftError):
        fetch.fetch(WANTED, leave_at(150_000))
    assert not fetch.is_complete(WANTED)
    journals = [at for at, name in enumerate(flushed) if name.endswith(".journal")]
    assert journals
    assert all(flushed[at - 1].endswith(".part") for at in journals), "what a journal says is there"
    fetch.fetch(WANTED, leave_at(WANTED.bytes + 1))
    assert fetch.is_complete(WANTED)
