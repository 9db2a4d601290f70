"""Fit the axes on which the teachers' answers are learnt, once: `space.npz` in the cache."""

import argparse
from pathlib import Path

import cv2

from training.errors import plain_errors
from training.photos import chosen_materials, train_photos
from training.settings import SETTINGS, read
from training.teachers import fit


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    folder, settings = chosen_materials(options.materials), read(options.settings)
    photos = train_photos(folder / "data")
    space = fit(
        photos,
        folder / "models",
        settings.network.dimensions,
        settings.loss.whiten,
        options.seed,
    )
    space.save(options.cache)


if __name__ == "__main__":
    with plain_errors():
        main()
