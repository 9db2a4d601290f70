"""Events to files of lines of JSON, for devices that are collected by USB stick.

::

    reports/reports.jsonl            being written
    reports/reports-000001.jsonl     full; whoever collects it may take it away

A line is ``{"topic": ..., "payload": ...}``; the payload is JSON where it was JSON, else text.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from io import FileIO
from pathlib import Path

from catalog.core import durable
from sync.errors import TransportError
from sync.reports.transports.base import TransportCallbacks

CURRENT = "reports.jsonl"
FULL = re.compile(r"^reports-(\d{6,})\.jsonl$")


class FileTransport:
    """A folder of files of bounded size and number; when it is full, nothing more is accepted.

    Args:
        folder: Made where it is missing.
        most_bytes: Of a file.
        most_files: Of the folder.
    """

    name = "file"
    window = 1

    def __init__(self, folder: Path, most_bytes: int, most_files: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._file: FileIO | None = None
        self._listener: TransportCallbacks | None = None

    def open(self, listener: TransportCallbacks) -> None:
        """Open the file, without a line that a power failure tore.

        Raises:
            TransportError: The folder cannot be used.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise TransportError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self._listener = listener

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Write a line; accepted when it is on the disk.

        Raises:
            TransportError: There is no room.
        """
        assert self._listener is not None
        try:
            file = self._file if self._file and not self._file.closed else self._open()
            if file.tell() >= self._most_bytes:
                file = self._next()
            line = _line(topic, payload)
            if file.write(line) < len(line):  # the torn line is cut off when it is opened anew
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(file.fileno())
        except OSError as error:
            raise TransportError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self._listener.accepted(token)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what was accepted is on the disk already
                self._file.close()

    def _open(self) -> FileIO:
        path = self._folder / CURRENT
        new = not path.exists()
        self._file = path.open("ab", buffering=0)  # what cannot be written stays in no buffer
        torn = _torn_bytes(path)
        if torn:
            self._file.truncate(path.stat().st_size - torn)
            self._file.seek(0, os.SEEK_END)
        if new:
            durable.flush_folder(self._folder)
        return self._file

    def _next(self) -> FileIO:
        """Give the full file a number, and begin another."""
        numbers = [
            int(found[1]) for one in self._folder.iterdir() if (found := FULL.match(one.name))
        ]
        if len(numbers) + 1 >= self._most_files:
            raise TransportError(
                f"{self._folder}: full, {self._most_files} files; take away reports-*.jsonl"
            )
        self.close()
        number = max(numbers, default=0) + 1
        (self._folder / CURRENT).rename(self._folder / f"reports-{number:06d}.jsonl")
        return self._open()


def _line(topic: str, payload: bytes) -> bytes:
    content: object
    try:
        content = json.loads(payload)
    except ValueError:
        content = payload.decode("utf-8", "replace")
    return json.dumps({"topic": topic, "payload": content}, ensure_ascii=False).encode() + b"\n"


def _torn_bytes(path: Path) -> int:
    """How many bytes follow the last end of a line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        block = 1 << 16
        for end in range(size, 0, -block):
            start = max(0, end - block)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return size - (start + found + 1)
        return size
