"""The whole loss test, with figures: make loss-test.

python -m tests.proofs.loss [--events 20000] [--kills 200]
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.proofs.loss.run import WINDOW, run

MOST_MEMORY = 1.2  # of that of a run of 1,000 events


def main() -> None:
    """Run it, print what was found, and exit 1 when something was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each broken connection
    with tempfile.TemporaryDirectory() as folder:
        calm = run(Path(folder) / "calm", 1000, 0, 0, 0, asked.seed, 1000.0)
        others, slow = asked.kills * 3 // 5, max(1, asked.kills // 40)
        rate = asked.events / (asked.kills * 1.2)
        found = run(
            Path(folder) / "storm", asked.events, asked.kills, others, slow, asked.seed, rate
        )
    memory = {name: found.peak_kib[name] / calm.peak_kib[name] for name in calm.peak_kib}
    print(f"{date.today()}, seed {asked.seed}, {found.seconds:.0f} s")
    for name, count in sorted(found.faults.items()):
        print(f"  {name:<24}{count:>7}")
    print(f"{len(found.durable):,} events were durable, {found.missing} are missing (wanted: 0)")
    most = WINDOW * found.disruptions
    print(f"{found.repeated} arrived again (at most {most:,}: {WINDOW} for each disruption)")
    print(f"{found.out_of_order} came out of order, {found.aside} were set aside (wanted: 0)")
    for name, ratio in memory.items():
        figures = f"{found.peak_kib[name] / 1024:.1f} MiB, {ratio:.2f} x that of 1,000 events"
        print(f"peak memory of the {name}: {figures} (at most {MOST_MEMORY})")
    good = (
        not (found.missing or found.out_of_order or found.aside)
        and found.repeated <= most
        and all(ratio <= MOST_MEMORY for ratio in memory.values())
    )
    sys.exit(0 if good else "error: that is not what was promised")


if __name__ == "__main__":
    main()
