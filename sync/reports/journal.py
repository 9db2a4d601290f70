"""Note what became of each message, in a file of bounded size that `sync tail` follows."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from catalog.core import durable
from sync.outbox.clock import timestamp
from sync.outbox.stored import StoredEvent

FILE = "reported.jsonl"  # in the state folder
FOLLOWED = "reported.followed"  # beside it; touched as long as somebody follows it
MAX_BYTES = 1 << 20  # of the file; one older file is kept beside it
POLL_S = 0.2
QUIET_S = 60.0  # between two writes where nobody follows, because each costs the disk a block
FOLLOWED_S = 5.0  # since the last touch: somebody follows


class Journal:
    """Writes a line for each thing that happens to a message.

    A line that cannot be written, because the disk is full, is left out without an error.

    Args:
        folder: The state folder.
        max_bytes: Of the file; then it becomes the older file and a new one is begun.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._file = folder / FILE
        self._max_bytes = max_bytes
        self._stream: IO[str] | None = None
        self._flushed_at = -math.inf
        self._quoted: dict[str, str] = {}  # the few topics, ready to be written

    def note(self, what: str, event: StoredEvent | None = None, detail: str = "") -> None:
        """Write a line: ``[unix seconds, what, sequence, id, detail]``.

        Args:
            what: "connected", "sent", "acknowledged", "refused", "aside", "lost", "command" or
                "trouble".
            event: The event that it is about, if any.
            detail: A topic, or a sentence.
        """
        sequence, identity = (event.sequence, event.id) if event is not None else (0, "")
        quoted = self._quoted.get(detail) or self._quote(detail)
        try:
            stream = self._stream or self._open()
            stream.write(f'[{time.time():.3f},"{what}",{sequence},"{identity}",{quoted}]\n')
        except OSError:
            self.close()

    def flush_for_followers(self, *, now: bool) -> None:
        """Let who follows read what was noted, at once or soon; where nobody does, in a minute."""
        pause_s = QUIET_S
        if _is_followed(self._file.parent):
            pause_s = 0.0 if now else POLL_S
        if time.monotonic() >= self._flushed_at + pause_s:
            self.flush()

    def flush(self) -> None:
        """Let others read what was noted."""
        if self._stream is None:
            return
        self._flushed_at = time.monotonic()
        try:
            self._stream.flush()
            if self._stream.tell() > self._max_bytes:
                self.close()
                os.replace(self._file, older_file(self._file))
        except OSError:
            self.close()

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()

    def _quote(self, detail: str) -> str:
        if len(self._quoted) > 100:
            self._quoted.clear()
        return self._quoted.setdefault(detail, json.dumps(detail, ensure_ascii=False))

    def _open(self) -> IO[str]:
        durable.make_private_folder(self._file.parent)
        opened = durable.private(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stream = os.fdopen(opened, "a", encoding="utf-8")
        return self._stream


def older_file(file: Path) -> Path:
    """Where the journal's former content is."""
    return file.with_name(file.name + ".1")


@dataclass(frozen=True)
class JournalEntry:
    """A line of the journal; sequence 0 and an empty id where it is about no event."""

    at: str  # RFC 3339
    what: str
    sequence: int
    id: str
    detail: str


def follow(folder: Path, count: int, *, wait: bool) -> Iterator[JournalEntry]:
    """Yield the last `count` entries; with `wait`, then every new one, for ever.

    A reporter that runs writes what it still holds in memory as soon as somebody follows.
    """
    file = folder / FILE
    was_followed = _is_followed(folder)
    if _touch(folder / FOLLOWED) and not was_followed:
        time.sleep(2 * POLL_S)
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines += older_file(file).read_text(encoding="utf-8", errors="replace").splitlines()
    stream, rest = _open(file), ""  # the rest is a line that is not written completely yet
    if stream is not None:
        *complete, rest = stream.read().split("\n")
        lines += complete
    yield from _parsed(lines[-count:] if count else [])
    while wait:
        *complete, rest = (rest + (stream.read() if stream is not None else "")).split("\n")
        yield from _parsed(complete)
        if not complete:
            if stream is None or _replaced(stream, file):
                if stream is not None:
                    yield from _parsed((rest + stream.read()).splitlines())
                    stream.close()
                stream, rest = _open(file), ""
            _touch(folder / FOLLOWED)
            time.sleep(POLL_S)
    if stream is not None:
        stream.close()


def _is_followed(folder: Path) -> bool:
    try:
        touched = (folder / FOLLOWED).stat().st_mtime
    except OSError:
        return False
    return abs(time.time() - touched) < FOLLOWED_S


def _touch(file: Path) -> bool:
    """Touch a file; whether that could be done."""
    with contextlib.suppress(OSError):
        file.touch(durable.PRIVATE)
        return True
    return False


def _parsed(lines: list[str]) -> Iterator[JournalEntry]:
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):  # cut off when the process was killed
            at, *rest = json.loads(line)
            yield JournalEntry(timestamp(at), *rest)


def _open(file: Path) -> IO[str] | None:
    try:
        return file.open(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _replaced(stream: IO[str], file: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(stream.fileno()), file.stat())
    except OSError:
        return False
