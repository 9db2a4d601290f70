"""Judge what was measured in the simulated days."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from bench.soak.wear import BUSY_MB, IDLE_MB, Wear, busy_day_mb

MOST_GROWTH = 1.1  # times the memory at the end of the first day of the same life
MORE_THREADS, MORE_FILES = 4, 4
MORE_DISK_MB = 1.6  # a day: the history and the outbox grow until they are full
LONGEST_S = 1.0


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the figure, the target, and whether it holds."""

    what: str
    measured: str
    target: str
    holds: bool


def rows(found: dict[str, Any]) -> list[Row]:
    """Judge all of it.

    Args:
        found: What `bench.soak` measured, ready to be JSON.
    """
    record, plan = found["record"], found["plan"]
    wear = {name: Wear(**values) for name, values in found["wear"].items()}
    table = []
    for part in ("edge", "sync"):
        rss = most_growth(record["days"], part, "anonymous")
        table += [
            Row(
                f"{part}: memory in no file, the last day of a life to its first, most",
                f"{rss:.2f}",
                f"{MOST_GROWTH}",
                rss <= MOST_GROWTH,
            ),
            _more(record["days"], part, "threads", MORE_THREADS),
            _more(record["days"], part, "files", MORE_FILES),
        ]
    disk = disk_growth_mb(record["days"])
    lost, half = found["lost"], len(record["half"]) + len(found["strange"])
    table += [
        Row("disk, MB more each day", f"{disk:.2f}", f"{MORE_DISK_MB}", disk <= MORE_DISK_MB),
        Row(f"reports lost, of {found['reports']:,}", f"{lost}", "0", lost == 0),
        Row(f"reports dropped, of {found['reports']:,}", f"{found['dropped']}", "0", holds=True),
        Row(f"half catalogues, {record['changes']} changes", f"{half}", "0", half == 0),
        Row(
            "longest time without an answer while it runs",
            f"{found['longest without an answer']:.2f} s",
            f"{LONGEST_S:g} s",
            found["longest without an answer"] <= LONGEST_S,
        ),
        Row(
            f"answering again after {len(record['back_s'])} kills of the appliance, longest",
            f"{max(record['back_s'], default=0):.1f} s",
            "10 s",
            max(record["back_s"], default=0) <= 10,
        ),
        Row(
            f"answered, of {record['asked']} things before the camera",
            f"{record['answered']}",
            "all",
            record["answered"] == record["asked"],
        ),
        *wear_rows(wear["idle"], wear["busy"], plan["showings"]),
    ]
    return table


def wear_rows(idle: Wear, busy: Wear, showings: int) -> list[Row]:
    """Judge what was written, for days with so many showings."""
    busy_mb = busy_day_mb(idle, busy, showings)
    return [
        Row(
            f"written on an idle day, from {idle.seconds / 60:.0f} min",
            f"{idle.day_mb:.1f} MB",
            f"{IDLE_MB:g} MB",
            idle.day_mb <= IDLE_MB,
        ),
        Row(
            f"written on a day with {showings:,} showings, from {busy.showings}",
            f"{busy_mb:.1f} MB",
            f"{BUSY_MB:g} MB",
            busy_mb <= BUSY_MB,
        ),
    ]


def most_growth(days: list[dict[str, Any]], part: str, what: str) -> float:
    """The most that a figure grew in one life of a process: its last day to its first."""
    growth = [last / first for first, last in _lives(days, part, what)]
    return max(growth, default=1.0)


def disk_growth_mb(days: list[dict[str, Any]]) -> float:
    """MB by which the data folder grew each day, after the first two."""
    sizes = [day["disk"] / 1e6 for day in days[1:]]
    return (sizes[-1] - sizes[0]) / max(1, len(sizes) - 1) if sizes else 0.0


def _more(days: list[dict[str, Any]], part: str, what: str, most: int) -> Row:
    more = max((last - first for first, last in _lives(days, part, what)), default=0)
    return Row(f"{part}: {what}, more than on the first day", f"{more}", f"{most}", more <= most)


def _lives(days: list[dict[str, Any]], part: str, what: str) -> list[tuple[int, int]]:
    """The figure on the first and the last day of each life."""
    lives = defaultdict(list)
    for day in days:
        if day[part] is not None:
            lives[day["lives"][part]].append(day[part][what])
    return [(life[0], life[-1]) for life in lives.values()]


def show(table: list[Row]) -> None:
    """Print the table."""
    width = max(len(row.what) for row in table)
    for row in table:
        verdict = "" if row.holds else "   MISSED"
        print(f"{row.what:{width}}  {row.measured:>10}   target {row.target}{verdict}")
