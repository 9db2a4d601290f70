"""Which answers to expect of a bundle, in sentences, and what to do where they are few."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.terminal import one_line

if TYPE_CHECKING:
    from catalog.recognition.calibration import Calibration, OutcomeShares

FEW = 0.5  # share of own things that are named, below which somebody should do something


def expectation(calibration: Calibration) -> str:
    """Return what to expect of 100 looks at own things, and how far off that may be."""
    expected = calibration.expected_in_catalogue
    low, high = (
        100 * min(max(expected.right + by, 0), 1)
        for by in (-calibration.uncertainty, calibration.uncertainty)
    )
    return f"{in_words(expected)}; nine times of ten it is {low:.0f} to {high:.0f} right"


def in_words(shares: OutcomeShares) -> str:
    """Return the end of a sentence that begins with "of 100"."""
    return (
        f"{100 * shares.right:.0f} right, {100 * shares.one_of:.0f} one of these, "
        f"{100 * shares.perhaps:.0f} among the guesses, {100 * shares.unknown:.0f} unknown, "
        f"{100 * shares.wrong:.0f} wrong"
    )


def advice(calibration: Calibration, bundle: Path | str) -> str:
    """Return what to do, in a sentence, where few own things would be named; else nothing.

    Args:
        calibration: What the bundle's build learned.
        bundle: Where the bundle is.
    """
    if calibration.expected_in_catalogue.right >= FEW:
        return ""
    confusions = f"'visual-search catalog confusions {one_line(str(bundle))}'"
    return (
        "few would be named. More photos help most: take three to five of each thing itself with "
        "the device's own camera, from several sides, also of what is printed on it "
        "('visual-search edge capture'), and build again. Where things look alike, more photos "
        f"help less: {confusions} names those that are taken for each other most"
    )
