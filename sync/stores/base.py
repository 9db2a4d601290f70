"""Where the owner publishes and devices look: names with bytes behind them.

::

    metadata/                                   signed, small; see `sync.trust.trust`
    targets/<channel>/<sha256>.manifest.json    one for each version of each channel
    files/<sha256>                              what manifests list, each stored once

A store promises nothing. Whatever it hands out is checked against a signature or a digest;
what it is asked for is bounded in bytes, and in time by `MinimumSpeed`.
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
CHUNK = 1 << 16  # bytes asked for at a time
SLOWEST = 1024  # bytes a second, on average over WINDOW
WINDOW = 30.0  # seconds

UploadProgress = Callable[[int], object]  # hears of bytes as they are sent


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of an object: its size, and a tag that changes with its content."""

    bytes: int
    etag: str


class Body(Protocol):
    """An object that is being read.

    Attributes:
        size: Bytes of the whole object, as the store says.
        etag: Its tag, as the store says.
        start: Where reading begins; 0 where a store ignores that it was asked for less.
    """

    size: int
    etag: str
    start: int

    def read(self, limit: int = CHUNK) -> bytes:
        """Return what has arrived, at most `limit` bytes; ``b""`` at the end.

        Waits for the first byte alone, so that the caller can hold the store to a `MinimumSpeed`.

        Raises:
            StoreUnreachableError: The connection broke off, or fell silent.
        """


@dataclass
class MinimumSpeed:
    """A least speed, so that a store which trickles cannot hold its reader for ever.

    Args:
        slowest: Bytes a second, on average over a window.
        window: Seconds.
    """

    slowest: float = SLOWEST
    window: float = WINDOW
    _since: float = field(default_factory=lambda: time.monotonic())
    _bytes: int = 0

    def count(self, arrived: int) -> None:
        """Count bytes that have arrived.

        Raises:
            StoreUnreachableError: Too few of them, for a whole window.
        """
        self._bytes += arrived
        elapsed = time.monotonic() - self._since
        if elapsed < self.window:
            return
        if self._bytes < self.slowest * elapsed:
            raise StoreUnreachableError(
                f"too slow: {self._bytes} bytes in {elapsed:.0f} s; try again on a better link"
            )
        self._since, self._bytes = time.monotonic(), 0


class Store(ABC):
    """A place with names and bytes.

    Attributes:
        url: Where it is, for messages.
    """

    url: str

    @abstractmethod
    def head(self, name: str) -> ObjectInfo | None:
        """Size and tag of an object, or None where there is none.

        Raises:
            StoreError: It could not be asked.
        """

    @abstractmethod
    def open(
        self, name: str, start: int = 0, etag: str | None = None
    ) -> AbstractContextManager[Body]:
        """Read an object from byte `start` on.

        Args:
            name: Its name.
            start: The first byte wanted, one that the object has; see `Body.start`.
            etag: The object must still have this tag.

        Raises:
            NotInStoreError: There is none.
            StoreChangedError: It has another tag by now, or no byte `start`.
            StoreError: It could not be asked.
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
        """Write an object, all of it or nothing.

        Args:
            name: Its name.
            content: Bytes, or an open file that holds them.
            replaces: The tag of what may be overwritten; of anything else, it may not.
            new: Nothing may be overwritten.
            progress: Hears of the bytes on their way.

        Raises:
            StoreConflictError: Something else is there; nothing was overwritten.
            StoreError: It could not be written.
        """

    def read(self, name: str, limit: int) -> bytes:
        """All of a small object.

        Raises:
            NotInStoreError: There is none.
            StoreTooLargeError: It has more than `limit` bytes.
            StoreError: It could not be read.
        """
        pace = MinimumSpeed()
        content = bytearray()
        with self.open(name) as body:
            while chunk := body.read(min(CHUNK, limit + 1 - len(content))):
                content += chunk
                if len(content) > limit:
                    raise StoreTooLargeError(f"{self.url}: {name} has more than {limit} bytes")
                pace.count(len(chunk))
        return bytes(content)
