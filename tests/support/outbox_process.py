"""A process that uses an outbox: puts events without end, and prints those that are durable."""

from __future__ import annotations

import argparse
import itertools
from collections import deque
from pathlib import Path

from sync.outbox.events import Event, status
from sync.outbox.outbox import Outbox, Ticket
from sync.settings import OutboxSettings


def main() -> None:
    """Put events; ``--group`` of them are on their way to the disk at a time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    parser.add_argument("--count", type=int)
    parser.add_argument("--group", type=int, default=20)
    parser.add_argument("--max-mb", type=float, default=20.0)
    given = parser.parse_args()
    outbox = Outbox(given.file, OutboxSettings(max_mb=given.max_mb), given.name)
    under_way: deque[tuple[Event, Ticket]] = deque()

    def tell() -> None:
        event, ticket = under_way.popleft()
        if ticket.wait():
            print(event.id, flush=True)

    numbers = itertools.count() if given.count is None else range(given.count)
    for number in numbers:
        event = status("started", f"{given.name} {number}")
        under_way.append((event, outbox.put(event)))
        if len(under_way) >= given.group:
            tell()
    while under_way:
        tell()
    outbox.close()


def whole_lines(file: Path) -> list[str]:
    """What a process that was killed had printed into a file, without a half line at the end."""
    text = file.read_text()
    return text[: text.rfind("\n") + 1].split()


if __name__ == "__main__":
    main()
