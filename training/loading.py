"""Batches of training pictures, put together in a process of their own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from training.augment import warped
from training.data import CROPS_PER_PHOTO, Crops, Photo, class_numbers
from training.drawn import PART_THINGS
from training.settings import BatchSettings
from training.things import recipes

GROUP = 4


@dataclass(frozen=True)
class Batch:
    """Pictures (n, s, s, 3) uint8: photo crops, then drawn things, views of one thing together.

    crop, group, label (photos,) int64: row of the crop, set, class; thing (n - photos,) int64.
    """

    pictures: Tensor
    crop: Tensor
    group: Tensor
    label: Tensor
    thing: Tensor


def bank_files(cache: Path) -> list[Path]:
    """The finished parts of the drawn bank, in order."""
    return [f for i in range(64) if (f := cache / f"drawn-{i}.npy").exists()]


class Batches(IterableDataset[Batch]):
    """An endless stream of batches; the training process changes the shared `size`."""

    def __init__(
        self,
        cache: Path,
        photos: list[Photo],
        settings: BatchSettings,
        size: "Synchronized[int]",
        seed: int,
    ) -> None:
        self.cache = cache
        self.settings = settings
        self.size = size
        self.seed = seed
        self.labels = class_numbers(photos)[0]
        self.groups = np.array([p.group for p in photos])
        self.parts = bank_files(cache)
        self.grouped = sum(r.grouped for r in recipes(PART_THINGS, 0))

    @property
    def things(self) -> int:
        """Number of drawn things."""
        return len(self.parts) * PART_THINGS

    def chosen_things(self, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Numbers of the drawn things of one batch: whole look-alike groups, then single things."""
        part = rng.integers(len(self.parts), size=self.settings.groups)
        first = (
            part * PART_THINGS
            + rng.choice(self.grouped // GROUP, self.settings.groups, replace=False) * GROUP
        )
        together = (first[:, None] + np.arange(GROUP)).ravel()
        others = np.setdiff1d(
            rng.choice(self.things, self.settings.singles * 2, replace=False), together
        )
        return np.concatenate([together, rng.permutation(others)[: self.settings.singles]])

    def __iter__(self) -> Iterator[Batch]:
        """Batches for ever."""
        os.nice(5)
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        crops = Crops(self.cache)
        banks = [np.load(f, mmap_mode="r") for f in self.parts]
        by_set = [np.flatnonzero(self.groups == g) for g in range(len(self.settings.set_shares))]
        while True:
            size = int(self.size.value)
            group = rng.choice(len(by_set), self.settings.photos, p=self.settings.set_shares)
            photo = np.array([rng.choice(by_set[g]) for g in group])
            crop = photo * CROPS_PER_PHOTO + rng.integers(CROPS_PER_PHOTO, size=len(photo))
            pictures = [warped(np.asarray(crops.pictures[i]), size, rng, True) for i in crop]
            thing = self.chosen_things(rng)
            for number in thing:
                bank = banks[number // PART_THINGS][number % PART_THINGS]
                for view in rng.choice(len(bank), self.settings.views, replace=False):
                    pictures.append(warped(np.asarray(bank[view]), size, rng, False))
            yield Batch(
                torch.from_numpy(np.stack(pictures)),
                torch.from_numpy(crop),
                torch.from_numpy(group),
                torch.from_numpy(self.labels[photo]),
                torch.from_numpy(np.repeat(thing, self.settings.views)),
            )
