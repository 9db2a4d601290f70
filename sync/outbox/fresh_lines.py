"""The lines of an outbox's newest entries, also those that a flipped bit has broken.

::

    5e0b3a71 [7,1201,[["0192...","sighting",1795000000.5,1,"eNq..."]],[1180,1181],{"sent":2}]

That is: the CRC-32 of what follows; the generation; the number that the next event of the stream
gets; events with their packed payloads; numbers of removed events; what is added to counters. A
zero byte stands behind the last line.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.outbox.clock import Moment
from sync.outbox.kinds import PRIORITY
from sync.outbox.packing import packed, unpacked
from sync.outbox.stored import RenderedEvent

LONGEST = 4096  # bytes of a line
CHECKSUM = 8  # hexadecimal digits
END = ord("\n")


@dataclass(frozen=True)
class Line:
    """What a line says.

    Attributes:
        generation: Lines of another one say nothing.
        first: The number of the first event, or of the next one where there is none.
        events: That are new.
        removed: The numbers of events that are not needed any more.
        counts: What is added to counters.
    """

    generation: int
    first: int
    events: Sequence[RenderedEvent] = ()
    removed: Sequence[int] = ()
    counts: Mapping[str, float] = field(default_factory=dict)


def written(line: Line) -> bytes:
    """The bytes of a line, its end included."""
    events = [
        (
            event.id,
            event.kind,
            event.moment.at,
            int(event.moment.trusted),
            base64.b64encode(packed(event.payload)).decode(),
        )
        for event in line.events
    ]
    said = [line.generation, line.first, events, list(line.removed), dict(line.counts)]
    text = json.dumps(said, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def line_at(content: bytes, start: int, generation: int) -> tuple[Line | None, int]:
    """The line of this generation that begins there, and the place behind it.

    One that a single flipped bit broke is mended. Where one cannot be read, the next that can is
    meant: the numbers of the events tell how many are missing. None where there is no further one.
    """
    line, end = _line(content, start)
    if line is None and content[start]:  # else the last line is behind it, or a block is lost
        line, end = _mended(content, start, generation)
    if line is None:
        line, end = _next_line(content, start, generation)
    return (line, end) if line and line.generation == generation else (None, start)


def newest_generation(content: bytes) -> int:
    """The newest generation that has a line; 0 where there is no line."""
    said = [_said(piece) for piece in content.split(b"\n")]
    found = [int(parts[0]) for parts in said if parts]
    if not said[0]:  # the first line is of the newest
        mended, _ = _mended(content, 0, 0)
        found += [mended.generation] if mended else []
    return max(found, default=0)


def _line(content: bytes | bytearray, start: int) -> tuple[Line | None, int]:
    """The line that begins there, and the place behind it; None where it is no line."""
    end = content.find(END, start)
    said = _said(bytes(content[start:end])) if end >= 0 else None
    if said is None:
        return None, start
    try:
        generation, first, events, removed, counts = said
        read = [_event(*fields) for fields in events]
    except (TypeError, ValueError, AssertionError):  # of another version
        return None, start
    return Line(generation, first, read, removed, counts), end + 1


def _said(line: bytes) -> list[Any] | None:
    """What a line says; None where it is no line, or is damaged."""
    text = line[CHECKSUM + 1 :]
    try:
        if int(line[:CHECKSUM], 16) != zlib.crc32(text) or line[CHECKSUM : CHECKSUM + 1] != b" ":
            return None
        said: list[Any] = json.loads(text)
    except ValueError:
        return None
    return said


def _event(id_: str, kind: str, at: float, trusted: int, stored: str) -> RenderedEvent:
    payload = unpacked(base64.b64decode(stored))
    assert isinstance(payload, bytes)
    # Of a later version, to which the device has gone back again, the kind may be unknown here.
    known = (priority for name, priority in PRIORITY.items() if name == kind)
    priority = next(known, min(PRIORITY.values()))
    return RenderedEvent(id_, kind, priority, Moment(at, bool(trusted)), payload)


def _mended(content: bytes, start: int, generation: int) -> tuple[Line | None, int]:
    """The line that begins there as it was before one bit flipped; 0: of any generation."""
    end = start
    for _ in range(2):  # the bit may have made an end of line in the middle of it
        end = content.find(END, end) + 1 or len(content)
    zeros = content.find(b"\0\0", start)
    end = min(end, start + 2 * LONGEST, zeros if zeros >= 0 else end)
    broken = bytearray(content[start:end])
    for bit in range(8 * len(broken)):
        broken[bit // 8] ^= 1 << bit % 8
        line, length = _line(broken, 0)
        if line and generation in (0, line.generation):
            return line, start + length
        broken[bit // 8] ^= 1 << bit % 8
    return None, start


def _next_line(content: bytes, start: int, generation: int) -> tuple[Line | None, int]:
    """The first line of this generation behind a damaged one, or behind lost blocks."""
    begin = b" [%d," % generation  # what stands behind the checksum
    found = content.find(begin, start + CHECKSUM)
    while found >= 0:
        line, end = _line(content, found - CHECKSUM)
        if line and line.generation == generation:
            return line, end
        found = content.find(begin, found + 1)
    return None, start
