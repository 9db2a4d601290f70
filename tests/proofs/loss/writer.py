"""An edge process as far as its outbox goes: writes down the id of each event that is durable.

python -m tests.proofs.loss.writer OUTBOX RECORD COUNT RATE
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# Loads numpy at once; else the memory for it would count as growth after a kill.
import sync.outbox.wal_frames  # noqa: F401
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings

TOGETHER = 10


def main() -> None:
    """Put events until COUNT are on record, RATE a second."""
    file, record, count, rate = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    outbox = Outbox(file, OutboxSettings(), "device")
    written = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    done = len(record.read_bytes().splitlines())
    while done < count:
        events = [status("started", number=done + n) for n in range(min(TOGETHER, count - done))]
        tickets = [outbox.put(event) for event in events]
        if not all(ticket.wait(30) for ticket in tickets):
            sys.exit("an event did not become durable")
        os.write(written, "".join(f"{event.id}\n" for event in events).encode())
        done += len(events)
        time.sleep(TOGETHER / float(rate))
    outbox.close()


if __name__ == "__main__":
    main()
