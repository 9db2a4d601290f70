"""Measure what it costs to take an event and make it durable, beside a bare SQLite commit.

And what a showing writes to the disk, as the kernel counts it: two sightings, each durable before
the next, and sent and removed as the reporter does in a busy hour, or kept for the day when there
is a link.

    python -m bench.outbox [FOLDER]

FOLDER lies on the disk to measure [bench-results]. All numbers are of one run.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from sync.outbox.clock import now
from sync.outbox.database_file import SCHEMA
from sync.outbox.events import Event, Item, Sighting, Timings, render
from sync.outbox.outbox import Outbox
from sync.outbox.stored import RenderedEvent
from sync.settings import OutboxSettings

RESULTS = Path("bench-results")
ALONE = 500  # events, each waited for
TOGETHER = 5000  # events, put as fast as they are taken
AT_A_TIME = 1000  # of these; more would exceed the outbox's room in memory
SHOWINGS = 200  # whose bytes are counted
REMOVED = 2  # showings whose events are removed together: they come within `REMOVAL_S`
GEAR = Item(sku="GEAR/24", title="Spur gear, 24 teeth, module 1.5", similarity=0.913)
SEEN = Sighting(
    verdict="match",
    item=GEAR,
    others=(GEAR, GEAR),
    bundle="20261122T090000Z-0123456789ab",
    timings_ms=Timings(capture=3.9, look=2.1, embed=14.6, search=0.4, show=0.9),
)

Times = dict[str, list[float]]


def outbox_figures(folder: Path) -> dict[str, float]:
    """Microseconds (p50, p99) of each step, and events a second, on the disk of `folder`."""
    times: Times = {"put": [], "put in a row": [], "durable": [], "bare commit": []}
    outbox = Outbox(folder / "outbox.db", OutboxSettings(max_mb=1000), "device")
    bare = _bare(folder / "bare.db")
    outbox.put(Event("sighting", SEEN)).wait()
    for _ in range(ALONE):  # in turns, so that a busy disk slows both
        start = time.perf_counter()
        ticket = outbox.put(Event("sighting", SEEN))
        returned = time.perf_counter()
        ticket.wait()
        times["put"].append(returned - start)
        times["durable"].append(time.perf_counter() - start)
        times["bare commit"].append(_commit(bare, [Event("sighting", SEEN)]))
    start = time.perf_counter()
    for _ in range(TOGETHER // AT_A_TIME):
        for _ in range(AT_A_TIME):
            before = time.perf_counter()
            ticket = outbox.put(Event("sighting", SEEN))
            times["put in a row"].append(time.perf_counter() - before)
        ticket.wait()
    together = TOGETHER / (time.perf_counter() - start)
    outbox.close()
    bare.close()
    written = _written_kb(folder)
    figures = {"durable, events a second": together}
    figures |= written
    for name, values in times.items():
        for quantile in (50, 99):
            figures[f"{name} p{quantile}, us"] = float(np.percentile(values, quantile) * 1e6)
    return figures


def _written_kb(folder: Path) -> dict[str, float]:
    """Return the kB that a showing writes to the disk of `folder`."""
    nothing = Sighting(verdict="nothing", bundle=SEEN.bundle, timings_ms=Timings())
    figures = {}
    for name, is_sent in (("with a link", True), ("without a link", False)):
        outbox = Outbox(folder / name / "outbox.db", OutboxSettings(), "device")
        outbox.put(Event("sighting", SEEN)).wait()
        before = _written()
        for showing in range(SHOWINGS):
            for sighting in (SEEN, nothing):
                outbox.put(Event("sighting", sighting)).wait()
            if is_sent and showing % REMOVED == REMOVED - 1:
                outbox.acknowledge(outbox.oldest(AT_A_TIME))
        figures[f"a showing {name}, kB"] = (_written() - before) / SHOWINGS / 1000
        outbox.close()
    return figures


def _written() -> int:
    """Bytes that this process has let the kernel write to disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def _bare(file: Path) -> sqlite3.Connection:
    """Open a database with the outbox's tables and durability, and nothing else."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    return database


def _commit(database: sqlite3.Connection, events: list[Event]) -> float:
    """Seconds to insert and commit events that are rendered already."""
    prepared = [
        RenderedEvent(event.id, event.kind, 1, now(), render(event, "device", "boot"))
        for event in events
    ]
    start = time.perf_counter()
    database.execute("BEGIN IMMEDIATE")
    for row in prepared:
        database.execute(
            "INSERT INTO events (id, kind, worth, at, trusted, size, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                row.id,
                row.kind,
                row.priority,
                row.moment.at,
                row.moment.trusted,
                row.size,
                row.payload,
            ),
        )
    database.execute("COMMIT")
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as folder:
        figures = outbox_figures(Path(folder))
    table = Table(title="the outbox")
    for column in ("", "p50, us", "p99, us"):
        table.add_column(column, justify="right" if column else "left")
    for name in ("put", "put in a row", "durable", "bare commit"):
        table.add_row(
            name, *(f"{figures[f'{name} p{quantile}, us']:,.0f}" for quantile in (50, 99))
        )
    console = Console(width=110)
    console.print(table)
    ratio = figures["durable p50, us"] / figures["bare commit p50, us"]
    console.print(f"an event alone: durable after {ratio:.2f} times a bare commit")
    console.print(f"in groups: {figures['durable, events a second']:,.0f} durable events a second")
    for name in ("with a link", "without a link"):
        console.print(f"a showing {name} writes {figures[f'a showing {name}, kB']:.1f} kB")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "outbox.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
