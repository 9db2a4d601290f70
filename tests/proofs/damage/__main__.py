"""Flip bits in an outbox's files, one in each trial: make damage-test.

python -m tests.proofs.damage [--trials 120] [--seed 1]
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

from tests.proofs.damage.run import EVENTS, Trial, flip, write


def main() -> None:
    """Run all trials, print what was found, and exit 1 when an event is not accounted for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = write(folder)
        for number in range(asked.trials):
            copy = folder / str(number)
            try:
                trials.append(flip(written, copy, asked.seed * 1_000_003 + number))
            except Exception as error:
                print(f"trial {number}: {type(error).__name__}: {error}")
            shutil.rmtree(copy)
    bad = [trial for trial in trials if not trial.is_good]
    print(f"{date.today()}, seed {asked.seed}: {asked.trials} flipped bits, {EVENTS} events each")
    print(f"{sum(trial.counted > 0 for trial in trials)} trials lost an event, and counted it")
    print(f"{sum(trial.counted for trial in trials)} events were lost and counted in all")
    print(f"{sum(trial.invalid for trial in trials)} messages were no JSON (wanted: 0)")
    print(f"{len(bad)} trials went wrong (wanted: 0)")
    for trial in bad:
        print(f"  {trial}")
    sys.exit(1 if bad or len(trials) < asked.trials else 0)


if __name__ == "__main__":
    main()
