"""Write messages to files of JSON lines, for devices whose reports are collected by USB stick.

::

    reports/reports.jsonl            being written
    reports/reports-000001.jsonl     full; may be taken away at any time

A line is ``{"topic": ..., "payload": ...}``; a payload that is not JSON becomes a string.
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
    """A folder of files of bounded size and number; when it is full, no message is accepted.

    Args:
        folder: Made where it is missing.
        max_bytes: Of a file; then the next one is begun.
        max_files: Of the folder, with the one being written.
    """

    name = "file"
    window = 1

    def __init__(self, folder: Path, max_bytes: int, max_files: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._file: FileIO | None = None
        self._callbacks: TransportCallbacks | None = None

    def open(self, callbacks: TransportCallbacks) -> None:
        """Open the file, and cut off a last line that is not complete.

        Raises:
            TransportError: The folder cannot be used.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise TransportError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self._callbacks = callbacks

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Write a line; it is accepted when it is on the disk.

        Raises:
            TransportError: The disk or the folder is full, or cannot be written.
        """
        assert self._callbacks is not None
        try:
            file = self._file if self._file and not self._file.closed else self._open()
            if file.tell() >= self._max_bytes:
                file = self._next()
            line = _line(topic, payload)
            if file.write(line) < len(line):  # the incomplete line is cut off at the next open
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(file.fileno())
        except OSError as error:
            raise TransportError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self._callbacks.accepted(token)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # accepted messages are on the disk already
                self._file.close()

    def _open(self) -> FileIO:
        path = self._folder / CURRENT
        new = not path.exists()
        self._file = path.open("ab", buffering=0)  # a failed write must leave nothing in a buffer
        incomplete = _incomplete_bytes(path)
        if incomplete:
            self._file.truncate(path.stat().st_size - incomplete)
            self._file.seek(0, os.SEEK_END)
        if new:
            durable.flush_folder(self._folder)
        return self._file

    def _next(self) -> FileIO:
        """Rename the full file to the next number, and begin a new one."""
        numbers = [
            int(found[1]) for file in self._folder.iterdir() if (found := FULL.match(file.name))
        ]
        if len(numbers) + 1 >= self._max_files:
            raise TransportError(
                f"{self._folder}: full, {self._max_files} files; take away reports-*.jsonl"
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


def _incomplete_bytes(path: Path) -> int:
    """How many bytes follow the last newline."""
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
