"""Fetch one large file by its digest, resuming where a former attempt was interrupted.

::

    incoming/<sha256>            complete
    incoming/<sha256>.part       its first bytes
    incoming/<sha256>.journal    how many of these bytes were flushed, and the object's tag
    incoming/<sha256>.tried      see `sync.catalogues.local_index`

The journal only says where to resume. The bytes of the part are hashed again before it is resumed,
and the digest of the complete file decides. A file with another digest is discarded, because there
is no telling which byte is wrong.
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

RESUMABLE = re.compile(r"[0-9a-f]{64}(\.part|\.journal|\.tried)?")
CHUNK = 1 << 20  # bytes between two checks of the speed, at most
MIN_STEP, MAX_STEP = 1 << 16, 8 << 20  # bytes between two flushes
STEPS = 32  # flushes of a file of middle size; a kill loses the bytes of one step
MAX_TRIES = 3  # in a row that bring less than `MIN_STEP`

# Called with the bytes present of the file, and the bytes just fetched.
FileProgress = Callable[[int, int], object]


class _Journal(BaseModel):
    etag: str
    bytes: int = Field(ge=0)


@dataclass(frozen=True)
class WantedFile:
    """A file to fetch: its digest, sha256 in hex, and its size in bytes."""

    sha256: str
    bytes: int


class FileFetcher:
    """Fetches files of one store into one folder.

    Args:
        store: Where they are, at ``files/<sha256>``.
        folder: ``incoming``; must exist.
        minimum_speed: Makes the limit that each attempt is held to.
    """

    def __init__(
        self, store: Store, folder: Path, minimum_speed: Callable[[], MinimumSpeed] = MinimumSpeed
    ) -> None:
        self._store = store
        self._folder = folder
        self._minimum_speed = minimum_speed

    def is_complete(self, file: WantedFile) -> bool:
        """Whether the whole file is in the folder."""
        return self._complete(file).exists()

    def bytes_present(self, file: WantedFile) -> int:
        """How many bytes of a file are in the folder and were flushed."""
        if self._complete(file).exists():
            return file.bytes
        journal = self._read_journal(file)
        return journal.bytes if journal is not None else 0

    def fetch(self, file: WantedFile, progress: FileProgress = lambda here, fetched: None) -> Path:
        """Fetch what is missing of a file, and return its path.

        What `progress` raises passes through; the bytes that came before stay.

        Raises:
            ForgedError: The store has other content under its name.
            StoreError: It could not be fetched; the bytes that came stay.
            OSError: It cannot be written.
        """
        complete = self._complete(file)
        if complete.exists():
            if _digest(complete) == file.sha256:
                progress(file.bytes, 0)
                return complete
            complete.unlink()
        fruitless = changed = 0
        while True:
            before = self.bytes_present(file)
            try:
                return self._attempt(file, progress)
            except _ResumedBytesError:
                pass  # they were discarded: the next attempt begins at the first byte
            except StoreChangedError:
                self.discard(file)
                changed += 1
                if changed == MAX_TRIES:
                    raise
            except (StoreUnreachableError, StoreBusyError):
                gained = self.bytes_present(file) - before
                fruitless = 0 if gained >= MIN_STEP else fruitless + 1
                if fruitless == MAX_TRIES:
                    raise

    def discard(self, file: WantedFile) -> None:
        """Remove everything of a file."""
        for path in (self._complete(file), self._part(file), self._journal(file)):
            path.unlink(missing_ok=True)

    def _attempt(self, file: WantedFile, progress: FileProgress) -> Path:
        """Fetch the rest of a file with one request."""
        start, digest, journal = 0, hashlib.sha256(), self._read_journal(file)
        if journal is not None:
            start, digest = journal.bytes, _prefix(self._part(file), journal.bytes)
        resumed = start > 0
        if start == file.bytes and journal is not None:
            return self._verify(file, digest.hexdigest(), resumed=resumed)
        etag = journal.etag if journal is not None else None
        with self._store.open(f"{FILES}/{file.sha256}", start, etag) as body:
            if body.size != file.bytes:
                raise StoreTooLargeError(
                    f"{self._store.url}: {FILES}/{file.sha256} has {body.size} bytes, "
                    f"{file.bytes} were signed"
                )
            if body.start != start:  # the store ignored the start and sends all bytes
                start, resumed = body.start, body.start > 0
                digest = _prefix(self._part(file), start)
            with _Part(self._part(file), self._journal(file), start, body.etag) as part:
                progress(start, 0)
                step = min(max(file.bytes // STEPS, MIN_STEP), MAX_STEP)
                speed = self._minimum_speed()
                while part.bytes < file.bytes:
                    chunk = body.read(min(CHUNK, step, file.bytes - part.bytes))
                    if not chunk:
                        raise StoreUnreachableError(
                            f"{self._store.url}: {FILES}/{file.sha256} ended after "
                            f"{part.bytes} of {file.bytes} bytes"
                        )
                    part.write(chunk)
                    digest.update(chunk)
                    if part.bytes - part.flushed >= step:
                        part.flush()
                    progress(part.bytes, len(chunk))
                    speed.count(len(chunk))
                part.finish()
        return self._verify(file, digest.hexdigest(), resumed=resumed)

    def _verify(self, file: WantedFile, found: str, *, resumed: bool) -> Path:
        """Give the file its final name if its digest, `found`, is right; else discard it."""
        if found != file.sha256:
            self.discard(file)
            if resumed:
                raise _ResumedBytesError
            raise ForgedError(
                f"{self._store.url}: {FILES}/{file.sha256} is not what was signed: "
                f"its sha256 is {found}; its owner repairs it with: "
                "visual-search sync publish --again"
            )
        complete = self._complete(file)
        self._part(file).replace(complete)
        durable.flush_folder(self._folder)
        self._journal(file).unlink(missing_ok=True)
        return complete

    def _read_journal(self, file: WantedFile) -> _Journal | None:
        """The journal, if the part has as many bytes as it says."""
        try:
            journal = _Journal.model_validate_json(self._journal(file).read_bytes())
            size = self._part(file).stat().st_size
        except (FileNotFoundError, ValidationError):
            return None
        return journal if journal.bytes <= min(size, file.bytes) else None

    def _complete(self, file: WantedFile) -> Path:
        return self._folder / file.sha256

    def _part(self, file: WantedFile) -> Path:
        return self._folder / f"{file.sha256}.part"

    def _journal(self, file: WantedFile) -> Path:
        return self._folder / f"{file.sha256}.journal"


class _ResumedBytesError(Exception):
    """The digest is wrong, and the bytes of a former attempt may be the cause."""


class _Part:
    """A part that is being written, and its journal; both are flushed at the end."""

    def __init__(self, path: Path, journal: Path, start: int, etag: str) -> None:
        self._path, self._journal, self._etag = path, journal, etag
        self.bytes = self.flushed = start

    def __enter__(self) -> _Part:
        if self.bytes == 0:
            self._journal.unlink(missing_ok=True)  # it is about bytes that are overwritten now
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.ftruncate(self._handle, self.bytes)
        os.lseek(self._handle, self.bytes, os.SEEK_SET)
        return self

    def write(self, chunk: bytes) -> None:
        """Append all bytes of `chunk`."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._handle, view) :]
        self.bytes += len(chunk)

    def flush(self) -> None:
        """Flush the part, then the journal, which is overwritten in place within one sector."""
        os.fsync(self._handle)
        line = _Journal(etag=self._etag, bytes=self.bytes).model_dump_json().encode()
        new = not self._journal.exists()
        with self._journal.open("r+b" if not new else "wb") as file:
            file.write(line)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        if new:
            durable.flush_folder(self._path.parent)
        self.flushed = self.bytes

    def finish(self) -> None:
        """Flush a complete part; its final name will say that it was flushed."""
        os.fsync(self._handle)
        self.flushed = self.bytes

    def __exit__(self, *_: object) -> None:
        try:
            if self.bytes > self.flushed:
                self.flush()
        finally:
            os.close(self._handle)


def sweep(folder: Path, keep: set[str]) -> None:
    """Remove everything from `incoming` except the files and parts with the digests `keep`."""
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
    """Hash the first `count` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while count > 0 and (chunk := file.read(min(CHUNK, count))):
            digest.update(chunk)
            count -= len(chunk)
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
