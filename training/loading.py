"""Make batches of training pictures, in a process of their own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from training.augment import augmented
from training.data import Floats, Image
from training.drawn import PART_THINGS, drawn_files
from training.settings import BatchSettings
from training.shards import Shard, open_shards
from training.things import recipes

GROUP = 4  # look-alikes among the drawn things
REFRESH_EVERY = 100  # batches


@dataclass(frozen=True)
class Batch:
    """Pictures (n, s, s, 3) uint8: from the bank, its pairs last, then drawn things.

    For the bank's: answers (b, d) float32 and source (b,) int64. Then thing (t,) int64 of the
    bank's pairs and all drawn things: the last t pictures, views of one thing together; drawn
    things are numbered from 0, cut-out things behind them.
    """

    pictures: Tensor
    answers: Tensor
    source: Tensor
    thing: Tensor


class Batches(IterableDataset[Batch]):
    """An endless stream of batches; the training process changes the shared `size`."""

    def __init__(
        self,
        cache: Path,
        settings: BatchSettings,
        size: "Synchronized[int]",
        seed: int,
    ) -> None:
        self.cache = cache
        self.settings = settings
        self.size = size
        self.seed = seed
        self.parts = drawn_files(cache)
        self.grouped = sum(r.grouped for r in recipes(PART_THINGS, 0))
        self.shards = open_shards(
            cache, {}
        )  # also here, so that an empty cache is reported at once
        self.photo_rows = self.other_rows = np.empty((0, 2), np.int64)  # shard, row

    @property
    def drawn(self) -> int:
        """Number of drawn things."""
        return len(self.parts) * PART_THINGS

    def refresh(self) -> None:
        """Find the shards that there are now, and which of their rows are single photos."""
        self.shards = open_shards(self.cache, self.shards)
        rows = [
            np.stack([np.full(len(shard.source), number), np.arange(len(shard.source))], 1)
            for number, shard in enumerate(self.shards.values())
        ]
        single = np.concatenate([shard.source for shard in self.shards.values()]) >= 0
        self.photo_rows = np.concatenate(rows)[single]
        self.other_rows = np.concatenate(rows)[~single]

    def chosen_things(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Numbers of the drawn things of one batch: whole look-alike groups, then single things."""
        part = rng.integers(len(self.parts), size=self.settings.groups)
        first = (
            part * PART_THINGS
            + rng.choice(self.grouped // GROUP, self.settings.groups, replace=False) * GROUP
        )
        together = (first[:, None] + np.arange(GROUP)).ravel()
        others = np.setdiff1d(
            rng.choice(self.drawn, self.settings.singles * 2, replace=False), together
        )
        return np.concatenate([together, rng.permutation(others)[: self.settings.singles]])

    def chosen_rows(self, rng: np.random.Generator) -> list[tuple[Shard, int]]:
        """Rows of the bank: pictures of all kinds, then both rows of some cut-out things."""
        shards = list(self.shards.values())
        photos = int(rng.binomial(self.settings.bank, self.settings.photos))
        chosen = np.concatenate(
            [
                rng.choice(self.photo_rows, photos),
                rng.choice(self.other_rows, self.settings.bank - photos),
            ]
        )
        out = [(shards[i], int(row)) for i, row in chosen]
        with_things = [shard for shard in shards if shard.thing.max() >= 0]
        shard = with_things[int(rng.integers(len(with_things)))]
        firsts = np.flatnonzero(shard.thing >= 0)[::2]
        for row in rng.choice(firsts, self.settings.pairs, replace=False):
            out += [(shard, int(row)), (shard, int(row) + 1)]
        return out

    def patch(
        self, pictures: list[Image], answers: Floats, rng: np.random.Generator
    ) -> npt.NDArray[np.bool_]:
        """Paste a patch of another picture into some of the bank's single ones, in place (CutMix).

        The answer becomes the mean of both, weighted by area. Returns (n,): which have a patch.
        """
        whole, before = [picture.copy() for picture in pictures], answers.copy()
        size = whole[0].shape[0]
        has = rng.random(len(pictures)) < self.settings.patched
        has[self.settings.bank :] = False
        for row in np.flatnonzero(has):
            other = int(rng.integers(len(pictures)))
            wide, high = rng.integers(size // 4, size * 3 // 4, 2)
            x, y = rng.integers(size - wide), rng.integers(size - high)
            pictures[row][y : y + high, x : x + wide] = whole[other][y : y + high, x : x + wide]
            share = wide * high / size**2
            answers[row] = before[row] * (1 - share) + before[other] * share
        return np.asarray(has)

    def batch(self, rng: np.random.Generator, parts: list[npt.NDArray[np.uint8]]) -> Batch:
        """Make a batch of the current size; `parts` are the opened files of drawn things."""
        size = int(self.size.value)
        rows = self.chosen_rows(rng)
        pictures = [
            augmented(np.asarray(shard.pictures[row]), size, rng, photo=True) for shard, row in rows
        ]
        answers = np.stack([s.answers[row] for s, row in rows]).astype(np.float32)
        source = np.array([s.source[row] for s, row in rows])
        source[self.patch(pictures, answers, rng)] = -1
        drawn = self.chosen_things(rng)
        for number in drawn:
            views = parts[number // PART_THINGS][number % PART_THINGS]
            for row in rng.choice(len(views), self.settings.views, replace=False):
                pictures.append(augmented(np.asarray(views[row]), size, rng, photo=False))
        cut_out = rows[self.settings.bank :]
        things = [self.drawn + int(shard.thing[row]) for shard, row in cut_out]
        thing = np.concatenate([things, np.repeat(drawn, self.settings.views)])
        return Batch(
            torch.from_numpy(np.stack(pictures)),
            torch.from_numpy(answers),
            torch.from_numpy(source),
            torch.from_numpy(thing.astype(np.int64)),
        )

    def __iter__(self) -> Iterator[Batch]:
        """Make batches without end."""
        os.nice(1)
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        parts = [np.load(f, mmap_mode="r") for f in self.parts]
        made = 0
        while True:
            if made % REFRESH_EVERY == 0:
                self.refresh()
            yield self.batch(rng, parts)
            made += 1
