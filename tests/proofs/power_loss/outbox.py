"""Power is cut while two processes write to an outbox: what was durable must be there after.

    python -m tests.proofs.power_loss.outbox [--points 50]

Exits with 1 and says which event is missing when one is. Needs root and loop devices.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings
from tests.proofs.power_loss.disk import Disk
from tests.support.outbox_process import whole_lines

LONGEST_S = 0.4  # from the first durable event to the cut


def main() -> None:
    """Cut at random moments; one disk for all points, so that losses add up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    durable = 0
    gone: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        for point in range(given.points):
            disk.mount()
            try:
                told = write_until_cut(disk, Path(folder), chance)
            finally:
                disk.unmount()
            disk.mount()
            try:
                stored = take_all(disk.mount_point / "outbox.db")
                damaged = list(disk.mount_point.glob("*-damaged.db"))
            finally:
                disk.unmount()
            if told - stored or stored & gone or damaged:
                sys.exit(
                    f"point {point}: of {len(told)} durable events {len(told - stored)} are "
                    f"missing, {len(stored & gone)} that were acknowledged came back, "
                    f"{len(damaged)} databases are damaged"
                )
            durable += len(told)
            gone |= stored
    print(json.dumps({"points": given.points, "durable": durable, "missing": 0, "back": 0}))


def write_until_cut(disk: Disk, notes: Path, chance: random.Random) -> set[str]:
    """Ids that two processes reported durable, into files on another disk, before the cut."""
    file = disk.mount_point / "outbox.db"
    told = [notes / name for name in "ab"]
    processes = []
    for note in told:
        group = str(chance.choice((1, 5, 50)))
        words: list[str | Path] = [file, note.name, "--group", group]
        command = [sys.executable, "-m", "tests.support.outbox_process", *words]
        with note.open("w") as out:
            processes.append(subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL))
    while not all(note.stat().st_size for note in told):
        time.sleep(0.01)
    time.sleep(chance.random() * LONGEST_S)
    # What is said from here on counts for nothing: an fsync that the cut overtakes may still
    # return success, which without power nobody could hear.
    durable = {line for note in told for line in whole_lines(note)}
    disk.cut()
    for process in processes:
        process.kill()
        process.wait()
    return durable


def take_all(file: Path) -> set[str]:
    """Acknowledge everything in the outbox and return its ids; it must take new events, too."""
    outbox = Outbox(file, OutboxSettings(), "reader")
    assert outbox.put(status("started")).wait(20), "the outbox takes no more events"
    stored = outbox.oldest(1_000_000)
    assert len({event.stream for event in stored}) == 1
    sequences = [event.sequence for event in stored]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    outbox.acknowledge(stored)
    outbox.close()
    return {event.id for event in stored}


if __name__ == "__main__":
    main()
