"""Uses an outbox on a small file system of its own until that is full, and after; prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sync.outbox.events import Event, Sighting, Timings, status
from sync.outbox.outbox import Counters, Outbox
from sync.settings import OutboxSettings

SIGHTING = Sighting(verdict="nothing", bundle="b" * 40, timings_ms=Timings())


def fill(file: Path) -> None:
    """Take all the room there is."""
    with file.open("wb", buffering=0) as opened:
        try:
            while True:
                opened.write(bytes(4096))
        except OSError:
            pass


def await_failure(outbox: Outbox) -> Counters:
    """Wait until one more attempt to write has failed."""
    before, deadline = outbox.counters().last_error_at, time.monotonic() + 60
    while (found := outbox.counters()).last_error_at == before and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def main() -> None:
    """Fill, put, look, make room, look again."""
    folder = Path(sys.argv[1])
    filler = folder / "filler"
    fill(filler)
    outbox = Outbox(folder / "outbox.db", OutboxSettings(), "device-1")
    first = outbox.put(status("started"))
    durable_on_full_disk = first.wait(0.5)
    filler.unlink()
    durable_after = first.wait(60)
    fill(filler)
    tickets = [outbox.put(status("camera_offline")) for _ in range(3)]
    tickets += [outbox.put(Event("sighting", SIGHTING)) for _ in range(2500)]
    full = await_failure(outbox)  # whatever is tried after it knows of every drop
    filler.unlink()
    settled = [ticket.wait(60) for ticket in tickets]
    after = outbox.counters()
    answer = {
        "durable_on_full_disk": durable_on_full_disk,
        "durable_after": durable_after,
        "error": full.last_error,
        "waiting": full.waiting,
        "status_durable": settled[:3],
        "durable": sum(settled),
        "dropped": dict(after.dropped),
        "length": after.length,
        "error_after": after.last_error,
        "reported": [
            json.loads(event.payload)["details"]
            for event in outbox.oldest(10_000)
            if b'"dropped"' in event.payload
        ],
    }
    outbox.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
