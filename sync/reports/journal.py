"""What became of the newest messages, in a file of bounded size that others may follow."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sync.outbox.clock import timestamp
from sync.outbox.rows import StoredEvent

FILE = "reported.jsonl"  # in the state folder
MOST_BYTES = 1 << 20  # of the file; one older file is kept beside it
POLL_S = 0.2


class Journal:
    """Notes one line for each thing that happens to a message; a full disk is no trouble of it."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._file = folder / FILE
        self._most_bytes = most_bytes
        self._opened: IO[str] | None = None
        self._flush_at = 0.0
        self._quoted: dict[str, str] = {}  # the few topics, ready to be written

    def note(self, what: str, event: StoredEvent | None = None, detail: str = "") -> None:
        """JournalEntry that `what` happened: connected, sent, acknowledged, refused, aside, lost, trouble.

        A line is ``[unix seconds, what, sequence, id, detail]``.
        """
        sequence, identity = (event.sequence, event.id) if event is not None else (0, "")
        quoted = self._quoted.get(detail) or self._quote(detail)
        try:
            opened = self._opened or self._open()
            opened.write(f'[{time.time():.3f},"{what}",{sequence},"{identity}",{quoted}]\n')
        except OSError:
            self.close()

    def flush(self, now: bool = True) -> None:
        """Let others read what was noted, soon or now."""
        if self._opened is None or (not now and time.monotonic() < self._flush_at):
            return
        self._flush_at = time.monotonic() + POLL_S
        try:
            self._opened.flush()
            if self._opened.tell() > self._most_bytes:
                self.close()
                os.replace(self._file, older(self._file))
        except OSError:
            self.close()

    def close(self) -> None:
        """Write the rest."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.close()

    def _quote(self, detail: str) -> str:
        if len(self._quoted) > 100:
            self._quoted.clear()
        return self._quoted.setdefault(detail, json.dumps(detail, ensure_ascii=False))

    def _open(self) -> IO[str]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._opened = self._file.open("a", encoding="utf-8")
        return self._opened


def older(file: Path) -> Path:
    """Where the file's former content is."""
    return file.with_name(file.name + ".1")


@dataclass(frozen=True)
class JournalEntry:
    """A line of the journal; no sequence and id where it is about no event."""

    at: str  # RFC 3339
    what: str
    sequence: int
    id: str
    detail: str


def follow(folder: Path, count: int, wait: bool) -> Iterator[JournalEntry]:
    """The last `count` notes, and with `wait` all that come, for ever."""
    file = folder / FILE
    lines: list[str] = []
    for one in (older(file), file):
        with contextlib.suppress(OSError):
            lines += one.read_text(encoding="utf-8", errors="replace").splitlines()
    opened = _reopen(file)
    if opened is not None:
        opened.seek(0, os.SEEK_END)
    yield from _parsed(lines[-count:] if count else [])
    rest = ""
    while wait:
        rest += opened.read() if opened is not None else ""
        *whole, rest = rest.split("\n")
        yield from _parsed(whole)
        if not whole:
            if opened is None or _replaced(opened, file):
                if opened is not None:
                    yield from _parsed(opened.read().splitlines())
                    opened.close()
                opened = _reopen(file)
            time.sleep(POLL_S)


def _parsed(lines: list[str]) -> Iterator[JournalEntry]:
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):  # torn by the end of a process
            at, *rest = json.loads(line)
            yield JournalEntry(timestamp(at), *rest)


def _reopen(file: Path) -> IO[str] | None:
    try:
        return file.open(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _replaced(opened: IO[str], file: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(opened.fileno()), file.stat())
    except OSError:
        return False
