"""Simulate counters with different shares of foreign things, and measure what the estimate gains.

    python -m bench.foreign_share

The evidence of a look is a log-likelihood ratio of two normal distributions that lie 2.5 spreads
apart. 600 looks are learned from, and 3,000 others measured; the mean of ten such counters is
printed. In the lower rows a camera shifts all evidence, or stretches it, as a wrong calibration
would: there the estimate cannot be right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from catalog.evaluation.metrics import calibration_error
from catalog.recognition.foreign_share import Numbers, estimate

APART = 2.5
SETTING = 0.2
LEARNED, MEASURED, COUNTERS = 600, 3000, 10


def main() -> None:
    """Print the table."""
    table = Table(title="calibration error, by the share that confidence is corrected to")
    for column in ("foreign", "evidence", "the setting, 20 %", "50 %", "the estimate", "which is"):
        table.add_column(column, justify="right")
    for shift, stretch in ((0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (0.0, 0.5), (0.0, 1.7)):
        for share in (0.05, 0.2, 0.5):
            found = np.mean(
                [_counter(share, shift, stretch, seed) for seed in range(COUNTERS)], axis=0
            )
            cells = [f"{value:.3f}" for value in found]
            table.add_row(f"{share:.0%}", f"x {stretch:g} {shift:+g}", *cells)
    Console().print(table)


def _counter(share: float, shift: float, stretch: float, seed: int) -> list[float]:
    """The calibration error at the setting, at 50 % and at the estimate; and the estimate."""
    seen, _ = _looks(share, LEARNED, seed)
    found = estimate(stretch * seen + shift, np.ones(LEARNED), 0, 0, SETTING)
    asked, own = _looks(share, MEASURED, COUNTERS + seed)
    ratios = stretch * asked + shift
    errors = [calibration_error(_confidence(ratios, at), own) for at in (SETTING, 0.5, found)]
    return [*errors, found]


def _looks(share: float, number: int, seed: int) -> tuple[Numbers, NDArray[np.bool_]]:
    """Log-likelihood ratios of looks, and whether each was at a thing of the catalogue."""
    random = np.random.default_rng(seed)
    own = random.random(number) >= share
    middle = np.where(own, APART**2 / 2, -(APART**2) / 2)
    return middle + APART * random.standard_normal(number), own


def _confidence(ratios: Numbers, share: float) -> Numbers:
    return np.asarray(1 / (1 + share / (1 - share) * np.exp(-ratios)))


if __name__ == "__main__":
    main()
