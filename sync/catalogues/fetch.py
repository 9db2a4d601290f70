"""One large file by its digest: resumed from bytes that were flushed, judged as a whole.

::

    incoming/<sha256>            whole
    incoming/<sha256>.part       what is here of it
    incoming/<sha256>.journal    how many bytes of that were flushed, and the object's tag

The journal only says where to go on. Whatever it says, what is here is hashed again and the
digest of the whole decides; a file that fails it is thrown away, since nobody can tell which
byte is wrong.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from catalog.core import durable
from sync.errors import (
    ForgedError,
    StoreBusyError,
    StoreChangedError,
    StoreTooLargeError,
    StoreUnreachableError,
)
from sync.stores.base import FILES, MinimumSpeed, Store

RESUMABLE = re.compile(r"[0-9a-f]{64}(\.part|\.journal)?")
CHUNK = 1 << 20  # bytes, at most, between two looks at the clock
SHORTEST_STEP, LONGEST_STEP = 1 << 16, 8 << 20  # bytes between two flushes
STEPS = 32  # of a middling file: so much of it is lost by a kill
TRIES = 3  # in a row that bring less than the shortest step

Progress = Callable[[int, int], object]  # bytes here of the file, and bytes just fetched


class _Journal(BaseModel):
    etag: str
    bytes: int = Field(ge=0)


@dataclass(frozen=True)
class WantedFile:
    """A file: its digest, sha256 in hex, and its size in bytes."""

    sha256: str
    bytes: int


class FileFetcher:
    """Brings files of one store into one folder.

    Args:
        store: Where they are, at ``files/<sha256>``.
        folder: ``incoming``; must exist.
        pace: Makes what holds the store to a least speed.
    """

    def __init__(
        self, store: Store, folder: Path, pace: Callable[[], MinimumSpeed] = MinimumSpeed
    ) -> None:
        self._store = store
        self._folder = folder
        self._pace = pace

    def here(self, wanted: WantedFile) -> int:
        """How many flushed bytes of a file are in the folder."""
        if self._whole(wanted).exists():
            return wanted.bytes
        journal = self._read_journal(wanted)
        return journal.bytes if journal is not None else 0

    def fetch(self, wanted: WantedFile, progress: Progress = lambda here, fetched: None) -> Path:
        """Bring a file, or what is missing of it, and return its path.

        What `progress` raises goes through; the bytes that came before are kept.

        Raises:
            ForgedError: The store holds something else under its name.
            StoreError: It could not be fetched; what came of it is kept.
            OSError: It cannot be written.
        """
        whole = self._whole(wanted)
        if whole.exists():
            if _digest(whole) == wanted.sha256:
                progress(wanted.bytes, 0)
                return whole
            whole.unlink()
        fruitless = changed = 0
        while True:
            before = self.here(wanted)
            try:
                return self._attempt(wanted, progress)
            except _OldBytesError:
                continue  # they are gone: the next attempt is all new
            except StoreChangedError:
                self.discard(wanted)
                changed += 1
                if changed == TRIES:
                    raise
            except (StoreUnreachableError, StoreBusyError):
                gained = self.here(wanted) - before
                fruitless = 0 if gained >= SHORTEST_STEP else fruitless + 1
                if fruitless == TRIES:
                    raise

    def discard(self, wanted: WantedFile) -> None:
        """Forget what is here of a file."""
        for path in (self._whole(wanted), self._part(wanted), self._journal(wanted)):
            path.unlink(missing_ok=True)

    def _attempt(self, wanted: WantedFile, progress: Progress) -> Path:
        """Go on from what is here, with one request."""
        start, digest, journal = 0, hashlib.sha256(), self._read_journal(wanted)
        if journal is not None:
            start, digest = journal.bytes, _prefix(self._part(wanted), journal.bytes)
        resumed = start > 0
        if start == wanted.bytes and journal is not None:
            return self._judge(wanted, digest.hexdigest(), resumed)
        etag = journal.etag if journal is not None else None
        with self._store.open(f"{FILES}/{wanted.sha256}", start, etag) as body:
            if body.size != wanted.bytes:
                raise StoreTooLargeError(
                    f"{self._store.url}: {FILES}/{wanted.sha256} has {body.size} bytes, "
                    f"{wanted.bytes} were signed"
                )
            if body.start != start:  # it was asked for the rest and sends all
                start, resumed = body.start, body.start > 0
                digest = _prefix(self._part(wanted), start)
            with _Part(self._part(wanted), self._journal(wanted), start, body.etag) as part:
                progress(start, 0)
                step = min(max(wanted.bytes // STEPS, SHORTEST_STEP), LONGEST_STEP)
                pace = self._pace()
                while part.bytes < wanted.bytes:
                    chunk = body.read(min(CHUNK, step, wanted.bytes - part.bytes))
                    if not chunk:
                        raise StoreUnreachableError(
                            f"{self._store.url}: {FILES}/{wanted.sha256} ended after "
                            f"{part.bytes} of {wanted.bytes} bytes"
                        )
                    part.write(chunk)
                    digest.update(chunk)
                    if part.bytes - part.flushed >= step:
                        part.flush()
                    progress(part.bytes, len(chunk))
                    pace.count(len(chunk))
                part.finish()
        return self._judge(wanted, digest.hexdigest(), resumed)

    def _judge(self, wanted: WantedFile, found: str, resumed: bool) -> Path:
        """Keep the flushed file if it is the right one."""
        if found != wanted.sha256:
            self.discard(wanted)
            if resumed:
                raise _OldBytesError
            raise ForgedError(
                f"{self._store.url}: {FILES}/{wanted.sha256} is not what was signed: "
                f"its sha256 is {found}; its owner repairs it with: "
                "visual-search sync publish --again"
            )
        whole = self._whole(wanted)
        self._part(wanted).replace(whole)
        durable.flush_folder(self._folder)
        self._journal(wanted).unlink(missing_ok=True)
        return whole

    def _read_journal(self, wanted: WantedFile) -> _Journal | None:
        """The journal, if the bytes that it speaks of are there."""
        try:
            journal = _Journal.model_validate_json(self._journal(wanted).read_bytes())
            there = self._part(wanted).stat().st_size
        except (FileNotFoundError, ValidationError):
            return None
        return journal if journal.bytes <= min(there, wanted.bytes) else None

    def _whole(self, wanted: WantedFile) -> Path:
        return self._folder / wanted.sha256

    def _part(self, wanted: WantedFile) -> Path:
        return self._folder / f"{wanted.sha256}.part"

    def _journal(self, wanted: WantedFile) -> Path:
        return self._folder / f"{wanted.sha256}.journal"


class _OldBytesError(Exception):
    """What was here from before may be what was wrong."""


class _Part:
    """A part that is being written, and its journal; leaving it flushes what was written."""

    def __init__(self, path: Path, journal: Path, start: int, etag: str) -> None:
        self._path, self._journal, self._etag = path, journal, etag
        self.bytes = self.flushed = start

    def __enter__(self) -> _Part:
        if self.bytes == 0:
            self._journal.unlink(missing_ok=True)  # it speaks of bytes that go now
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._handle, self.bytes)
        os.lseek(self._handle, self.bytes, os.SEEK_SET)
        return self

    def write(self, chunk: bytes) -> None:
        """Append, all of it."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._handle, view) :]
        self.bytes += len(chunk)

    def flush(self) -> None:
        """Make what was written survive, then say so: in place, within one sector."""
        os.fsync(self._handle)
        line = _Journal(etag=self._etag, bytes=self.bytes).model_dump_json().encode()
        new = not self._journal.exists()
        with self._journal.open("r+b" if not new else "wb") as note:
            note.write(line)
            note.truncate()
            note.flush()
            os.fsync(note.fileno())
        if new:
            durable.flush_folder(self._path.parent)
        self.flushed = self.bytes

    def finish(self) -> None:
        """Make a file that is all here survive; its new name will say so."""
        os.fsync(self._handle)
        self.flushed = self.bytes

    def __exit__(self, *_: object) -> None:
        try:
            if self.bytes > self.flushed:
                self.flush()
        finally:
            os.close(self._handle)


def sweep(folder: Path, keep: set[str]) -> None:
    """Remove from `incoming` all but what is here of the files with the digests `keep`."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if RESUMABLE.fullmatch(path.name) and path.name.partition(".")[0] in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _prefix(path: Path, count: int) -> hashlib._Hash:
    """The digest so far of the first `count` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while count > 0 and (chunk := file.read(min(CHUNK, count))):
            digest.update(chunk)
            count -= len(chunk)
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
