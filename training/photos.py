"""Find the photos that may be trained on, and those that are held back to choose settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.materials import materials
from catalog.core.errors import ContentError

TRAIN_SETS = ("grocery", "clothing", "caltech", "trashnet")


@dataclass(frozen=True)
class Photo:
    """One labelled photo: its file, the index of its set in TRAIN_SETS, its class name."""

    path: Path
    set_number: int
    label: str


def chosen_materials(given: Path | None) -> Path:
    """The folder with `data` and `models`: the given one, else the usual one."""
    folder = given or materials()
    if folder is None:
        raise ContentError("no training materials: name their folder in VISUAL_SEARCH_MATERIALS")
    return folder


def folder_per_class(root: Path, start: str = "") -> Iterator[tuple[Path, str]]:
    """Sorted (file, class) pairs of a folder-per-class set; file names begin with `start`."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        for file in sorted(folder.glob(f"{start}*.webp")):
            yield file, folder.name


def held_back(root: Path, count: int) -> set[str]:
    """Choose Caltech pool classes that stand for unseen kinds of things; `root` is `data`."""
    names = sorted(p.name for p in (root / "pool" / "caltech").iterdir() if p.is_dir())
    return set(np.random.default_rng(0).choice(names, count, replace=False))


def train_photos(root: Path, without: int = 0) -> list[Photo]:
    """The photos that are trained on, in a fixed order; `root` is the folder `data`.

    without: number of Caltech pool classes to leave out, those of `held_back`.
    """
    aside = held_back(root, without)
    found = (
        folder_per_class(root / "grocery" / "photos"),
        folder_per_class(root / "clothing", "train-"),
        (p for p in folder_per_class(root / "pool" / "caltech") if p[1] not in aside),
        folder_per_class(root / "pool" / "trashnet"),
    )
    return [Photo(path, number, label) for number, own in enumerate(found) for path, label in own]


def class_numbers(photos: list[Photo]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Class number of each photo within its set, (n,) int64, and each set's number of classes."""
    names = [
        sorted({p.label for p in photos if p.set_number == number})
        for number in range(len(TRAIN_SETS))
    ]
    index = [{name: i for i, name in enumerate(own)} for own in names]
    return np.array([index[p.set_number][p.label] for p in photos], np.int64), [
        len(n) for n in names
    ]
