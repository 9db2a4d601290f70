"""The interface of a store: named objects that the owner writes and the devices read.

::

    metadata/                                   signed, small; see `sync.trust.repository`
    targets/<channel>/<sha256>.manifest.json    one for each version of each channel
    files/<sha256>                              the files of all bundles, each stored once

Stores are not trusted. Every object is verified by a signature or a digest, and reading it is
limited in bytes, and in time by `MinimumSpeed`.

Each kind of store is one file with one class, which `sync.stores.choice` opens.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from sync.errors import StoreTooLargeError, StoreUnreachableError

METADATA = "metadata"
TARGETS = "targets"
FILES = "files"
MOST_FOLDERS = 10_000
CHUNK = 1 << 16  # bytes that are read at a time
MIN_BYTES_PER_S = 1024
SPEED_WINDOW_S = 30.0  # over which the speed is averaged

UploadProgress = Callable[[int], object]  # called with the bytes sent since the last call


@dataclass(frozen=True)
class ObjectInfo:
    """An object's size in bytes, and its tag, which changes with its content."""

    bytes: int
    etag: str


class Body(Protocol):
    """An object that is being read.

    Attributes:
        size: Bytes of the whole object, as the store says.
        etag: Its tag, as the store says.
        start: The byte that reading begins at; 0 where the store ignores the requested start.
    """

    size: int
    etag: str
    start: int

    def read(self, limit: int = CHUNK) -> bytes:
        """Return the bytes that have arrived, at most `limit`; ``b""`` at the end.

        Waits for the first byte only, so that the caller can apply a `MinimumSpeed`.

        Raises:
            StoreUnreachableError: The connection was cut off, or no byte came in time.
        """


@dataclass
class MinimumSpeed:
    """A minimum speed, so that a very slow store cannot occupy its reader for ever.

    Args:
        bytes_per_s: Bytes a second, on average over a window.
        window_s: Seconds.
    """

    bytes_per_s: float = MIN_BYTES_PER_S
    window_s: float = SPEED_WINDOW_S
    _since: float = field(default_factory=lambda: time.monotonic())
    _bytes: int = 0

    def count(self, arrived: int) -> None:
        """Count bytes that have arrived.

        Raises:
            StoreUnreachableError: They were too few in the last window.
        """
        self._bytes += arrived
        elapsed = time.monotonic() - self._since
        if elapsed < self.window_s:
            return
        if self._bytes < self.bytes_per_s * elapsed:
            raise StoreUnreachableError(
                f"too slow: {self._bytes} bytes in {elapsed:.0f} s; try again on a better link"
            )
        self._since, self._bytes = time.monotonic(), 0


class Store(ABC):
    """Named objects of bytes.

    Attributes:
        url: Its address, for messages.
    """

    url: str

    @abstractmethod
    def head(self, name: str) -> ObjectInfo | None:
        """Size and tag of an object; None where there is none.

        Raises:
            StoreError: The request failed.
        """

    @abstractmethod
    def folders(self, name: str) -> list[str]:
        """The names of the folders below a name, at most `MOST_FOLDERS`; none where there is none.

        Raises:
            StoreError: The request failed.
        """

    @abstractmethod
    def open(
        self, name: str, start: int = 0, etag: str | None = None
    ) -> AbstractContextManager[Body]:
        """Read an object from byte `start` on.

        Args:
            name: Its name.
            start: The first byte to read, one that the object has; see `Body.start`.
            etag: The tag that the object must have.

        Raises:
            NotInStoreError: There is no such object.
            StoreChangedError: It has another tag, or no byte `start`.
            StoreError: The request failed.
        """

    @abstractmethod
    def write(
        self,
        name: str,
        content: bytes | BinaryIO,
        *,
        replaces: str | None = None,
        new: bool = False,
        progress: UploadProgress = lambda count: None,
    ) -> ObjectInfo | None:
        """Write an object, completely or not at all.

        Args:
            name: Its name.
            content: Bytes, or an open file that holds them.
            replaces: Overwrite only an object that has this tag.
            new: Overwrite nothing.
            progress: Called as bytes are sent.

        Raises:
            StoreConflictError: Another object is there; nothing was overwritten.
            StoreError: It could not be written.
        """

    def read(self, name: str, limit: int) -> bytes:
        """Read a small object.

        Raises:
            NotInStoreError: There is no such object.
            StoreTooLargeError: It has more than `limit` bytes.
            StoreError: It could not be read.
        """
        speed = MinimumSpeed()
        content = bytearray()
        with self.open(name) as body:
            while chunk := body.read(min(CHUNK, limit + 1 - len(content))):
                content += chunk
                if len(content) > limit:
                    raise StoreTooLargeError(f"{self.url}: {name} has more than {limit} bytes")
                speed.count(len(chunk))
        return bytes(content)
