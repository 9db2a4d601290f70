"""A store in a folder, such as a USB stick, with the layout of a bucket."""

from __future__ import annotations

import fcntl
import io
import itertools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from catalog.core import durable
from sync.errors import NotInStoreError, StoreChangedError, StoreConflictError, StoreError
from sync.stores.base import CHUNK, MOST_FOLDERS, ObjectInfo, Store, UploadProgress

COPY_CHUNK = 1 << 20  # bytes


class FolderStore(Store):
    """The folder at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = path.absolute().as_uri()

    def head(self, name: str) -> ObjectInfo | None:
        """See `Store.head`."""
        try:
            return _entry((self.path / name).stat())
        except (FileNotFoundError, NotADirectoryError):
            self._check_exists()
            return None
        except OSError as error:
            raise self._failed(name, error) from error

    def folders(self, name: str) -> list[str]:
        """See `Store.folders`."""
        try:
            with os.scandir(self.path / name) as entries:
                found = (entry.name for entry in entries if entry.is_dir())
                return list(itertools.islice(found, MOST_FOLDERS))
        except (FileNotFoundError, NotADirectoryError):
            self._check_exists()
            return []
        except OSError as error:
            raise self._failed(name, error) from error

    @contextmanager
    def open(self, name: str, start: int = 0, etag: str | None = None) -> Iterator[_Body]:
        """See `Store.open`."""
        try:
            file = (self.path / name).open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            self._check_exists()
            raise NotInStoreError(f"{self.url}: has no {name}") from error
        except OSError as error:
            raise self._failed(name, error) from error
        with file:
            entry = _entry(os.fstat(file.fileno()))
            if 0 < start >= entry.bytes or etag not in (None, entry.etag):
                raise StoreChangedError(f"{self.url}: {name} has changed since it was begun")
            file.seek(start)
            yield _Body(self, name, file, entry, start)

    def write(
        self,
        name: str,
        content: bytes | BinaryIO,
        *,
        replaces: str | None = None,
        new: bool = False,
        progress: UploadProgress = lambda count: None,
    ) -> ObjectInfo:
        """See `Store.write`."""
        target = self.path / name
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            self._check_exists()
            durable.make_folder(target.parent)
            with temporary.open("xb") as file:
                _copy(content, file, progress)
                file.flush()
                os.fsync(file.fileno())
            with self._locked():
                found = self.head(name)
                if (new and found) or (replaces is not None and _tag(found) != replaces):
                    raise StoreConflictError(f"{self.url}: somebody else has just written {name}")
                temporary.replace(target)
                durable.flush_folder(target.parent)
                return _entry(target.stat())
        except OSError as error:
            raise self._failed(name, error) from error
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let no other process of this machine compare and replace an object at the same time."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _check_exists(self) -> None:
        if not self.path.is_dir():
            raise StoreError(f"{self.url}: there is no such folder; is the stick in and mounted?")

    def _failed(self, name: str, error: OSError) -> StoreError:
        return StoreError(f"{self.url}: {name}: {error.strerror or error}")


class _Body:
    def __init__(
        self, store: FolderStore, name: str, file: BinaryIO, entry: ObjectInfo, start: int
    ) -> None:
        self._store, self._name, self._file = store, name, file
        self.size, self.etag, self.start = entry.bytes, entry.etag, start

    def read(self, limit: int = CHUNK) -> bytes:
        try:
            return self._file.read(limit)
        except OSError as error:  # a stick that was pulled out
            raise self._store._failed(self._name, error) from error


def _copy(content: bytes | BinaryIO, file: BinaryIO, progress: UploadProgress) -> None:
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    while chunk := source.read(COPY_CHUNK):
        file.write(chunk)
        progress(len(chunk))


def _entry(status: os.stat_result) -> ObjectInfo:
    tag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(status.st_size, tag)


def _tag(entry: ObjectInfo | None) -> str | None:
    return None if entry is None else entry.etag
