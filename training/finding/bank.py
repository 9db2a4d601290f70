"""Compose pictures beside the training, into files that it reads from.

    python -m training.finding.bank --cache CACHE --seed 1

New pictures replace old ones, until the process is stopped.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from training.errors import plain_errors
from training.finding.compose import SIZE, Composer
from training.finding.targets import CELLS, target
from training.finding.things import read_things

PLACES = 16384  # pictures that are kept
SHAPES = {
    "pixels": ((SIZE, SIZE, 3), np.uint8),
    "share": ((2 * CELLS, 2 * CELLS), np.uint8),
    "middle": ((CELLS, CELLS), np.uint8),
    "sides": ((4, CELLS, CELLS), np.float16),
}


@dataclass(frozen=True, eq=False)
class Bank:
    """Composed pictures and the right answers, in files that processes share.

    Attributes:
        arrays: See `SHAPES`; each (places, ...).
        filled: Whether each place holds a picture, (places,) uint8.
    """

    arrays: dict[str, npt.NDArray[np.generic]]
    filled: npt.NDArray[np.uint8]


def open_bank(cache: Path, places: int = PLACES) -> Bank:
    """The bank in a cache; it is made where it is missing."""
    folder = cache / "finding"
    folder.mkdir(parents=True, exist_ok=True)

    def shared(name: str, shape: tuple[int, ...], kind: type) -> npt.NDArray[np.generic]:
        file = folder / f"bank-{name}.npy"
        if file.exists():
            return np.lib.format.open_memmap(file, "r+")
        return np.lib.format.open_memmap(file, "w+", kind, (places, *shape))

    arrays = {name: shared(name, shape, kind) for name, (shape, kind) in SHAPES.items()}
    return Bank(arrays, np.asarray(shared("filled", (), np.uint8)))


def fill(bank: Bank, composer: Composer, places: Sequence[int]) -> None:
    """Put a new picture into each of these places."""
    for place in places:
        composed = composer.picture()
        right = target(composed.numbers)
        bank.filled[place] = 0
        bank.arrays["pixels"][place] = composed.pixels
        bank.arrays["share"][place] = right.share
        bank.arrays["middle"][place] = right.middle
        bank.arrays["sides"][place] = right.sides
        bank.filled[place] = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True, help="another one for each process")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(options.seed)
    bank = open_bank(options.cache)
    composer = Composer(read_things(options.cache), rng)
    while True:
        fill(bank, composer, rng.permutation(len(bank.filled)).tolist())


if __name__ == "__main__":
    with plain_errors():
        main()
