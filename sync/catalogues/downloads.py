"""Fetch files one after the other, and report how far all of them are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from sync.stores.fetch import FileFetcher, WantedFile

# Called with the bytes present of all files to fetch, their total, and the bytes just fetched.
ReleaseProgress = Callable[[int, int, int], object]


class SizedContent(Protocol):
    """A content known by its digest, sha256 in hex, and its size in bytes."""

    @property
    def sha256(self) -> str:
        """Its digest."""

    @property
    def bytes(self) -> int:
        """Its size."""


class Downloads:
    """Fetches files with one fetcher.

    Args:
        fetcher: Fetches each of them.
        progress: Called as bytes arrive.
    """

    def __init__(self, fetcher: FileFetcher, progress: ReleaseProgress) -> None:
        self._fetcher = fetcher
        self._progress = progress
        self._done = self._total = 0

    def expect(self, files: Iterable[SizedContent]) -> None:
        """Say which files are still to be fetched."""
        self._total = self._done + sum(file.bytes for file in files)

    def missing(self, file: SizedContent) -> int:
        """Return how many bytes of a file are not here."""
        return file.bytes - self._fetcher.bytes_present(WantedFile(file.sha256, file.bytes))

    def fetch(self, file: SizedContent) -> Path:
        """Fetch a file; see `FileFetcher.fetch`."""

        def show(here: int, fetched: int) -> None:
            self._progress(self._done + here, max(self._total, self._done + file.bytes), fetched)

        path = self._fetcher.fetch(WantedFile(file.sha256, file.bytes), show)
        self._done += file.bytes
        return path
