"""Make pictures with the teachers' answers without end, so that a long run gets new ones.

python -m training.bank --cache ~/.cache/visual-search-training --cutouts emoji/package/assets

It runs beside the training. A shard is a folder of `pictures` (n, 160, 160, 3) uint8, `answers`
(n, dimensions) float16, `source` (n,) int64, the row in `train_photos` or -1, and `thing`
(n,) int64, the number of a cut-out thing or -1; rows of one thing come in pairs. When there are
enough shards, each new one replaces the oldest.
"""

import argparse
import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from training.colours import Rng, colour, pattern
from training.cutouts import cutout_files, read_cutout, scene
from training.data import STORED_SIZE, Image, random_crop, read_rgb, resized
from training.drawn import drawn_files
from training.errors import plain_errors
from training.photos import Photo, chosen_materials, train_photos
from training.settings import SETTINGS, BankSettings, read
from training.shards import held, made_of, note_made_of, remove, shard_folders
from training.teachers import TEACHER_SIZE, Space, Teachers

log = logging.getLogger(__name__)

ASK_AT_ONCE = 32


class Maker:
    """Draws the pictures of a shard."""

    rng: Rng  # of the shard that is being made

    def __init__(
        self,
        photos: Sequence[Photo],
        cutouts: Sequence[Path],
        drawn: Sequence[Path],
        settings: BankSettings,
    ) -> None:
        self.photos = [read_rgb(p.path) for p in photos]
        numbers = np.array([p.set_number for p in photos])
        self.rows = [np.flatnonzero(numbers == n) for n in range(len(settings.set_shares))]
        self.cutouts = [read_cutout(f) for f in cutouts]
        self.drawn = [np.load(f, mmap_mode="r") for f in drawn]
        self.settings = settings

    def photo(self) -> tuple[Image, int]:
        """A random crop of a random photo, (224, 224, 3), and the photo's row."""
        number = int(self.rng.choice(len(self.rows), p=self.settings.set_shares))
        row = int(self.rng.choice(self.rows[number]))
        cut = random_crop(self.photos[row], self.rng, self.settings.least_area)
        return resized(cut, TEACHER_SIZE, TEACHER_SIZE), row

    def mixed(self) -> Image:
        """Two photos in one picture: one over the other, blended or as a patch."""
        below, above = (
            self.varied() if self.rng.random() < 0.5 else self.photo()[0] for _ in range(2)
        )
        if self.rng.random() < 0.5:
            share = self.rng.uniform(0.3, 0.7)
            return np.asarray(cv2.addWeighted(below, share, above, 1 - share, 0), np.uint8)
        size = TEACHER_SIZE
        w, h = self.rng.integers(size // 4, size * 3 // 4, 2)
        x, y = self.rng.integers(0, size - w), self.rng.integers(0, size - h)
        out = below.copy()
        out[y : y + h, x : x + w] = resized(above, int(w), int(h))
        return out

    def varied(self) -> Image:
        """A photo's crop, turned, sometimes mirrored or upside down, in other colours."""
        picture, rng = self.photo()[0], self.rng
        middle = (TEACHER_SIZE / 2, TEACHER_SIZE / 2)
        turn = cv2.getRotationMatrix2D(middle, rng.normal(0, 25), rng.uniform(1.0, 1.5))
        out = cv2.warpAffine(
            picture, turn, (TEACHER_SIZE, TEACHER_SIZE), borderMode=cv2.BORDER_REFLECT_101
        )
        if rng.random() < 0.5:
            out = cv2.flip(out, int(rng.integers(0, 2)))
        hue, saturation, value = cv2.split(cv2.cvtColor(out, cv2.COLOR_RGB2HSV))
        if rng.random() < 0.6:
            hue = ((hue.astype(np.int64) + int(rng.integers(180))) % 180).astype(np.uint8)
        saturation = cv2.convertScaleAbs(saturation, alpha=rng.uniform(0.3, 1.6))
        value = (255 * (value / 255.0) ** math.exp(rng.normal(0, 0.35))).astype(np.uint8)
        coloured = cv2.merge([hue, saturation, value])
        return np.asarray(cv2.cvtColor(coloured, cv2.COLOR_HSV2RGB), np.uint8)

    def ground(self) -> Image:
        """The background of a cut-out thing: a photo, or a drawn pattern."""
        if self.rng.random() < 0.7:
            return self.varied() if self.rng.random() < 0.5 else self.photo()[0]
        first, second = colour(self.rng, dull=True), colour(self.rng, dull=True)
        return np.asarray(pattern(self.rng, TEACHER_SIZE, TEACHER_SIZE, first, second), np.uint8)

    def drawn_view(self) -> Image:
        """A view of a drawn product, (224, 224, 3)."""
        part = self.drawn[int(self.rng.integers(len(self.drawn)))]
        views = part[int(self.rng.integers(len(part)))]
        view = np.asarray(views[int(self.rng.integers(len(views)))])
        return resized(view, TEACHER_SIZE, TEACHER_SIZE)

    def shard(self, number: int) -> tuple[list[Image], list[int], list[int]]:
        """Pictures (224, 224, 3), sources and things of one shard; its number is the seed."""
        self.rng = np.random.default_rng([number, 11])
        s = self.settings
        pictures: list[Image] = []
        source: list[int] = []
        thing: list[int] = []
        for _ in range(s.photos):
            picture, row = self.photo()
            pictures.append(picture)
            source.append(row)
        pictures += [self.mixed() for _ in range(s.mixed)]
        pictures += [self.varied() for _ in range(s.varied)]
        pictures += [self.drawn_view() for _ in range(s.drawn)]
        source += [-1] * (s.mixed + s.varied + s.drawn + 2 * s.pairs)
        thing = [-1] * len(pictures)
        for number in self.rng.choice(len(self.cutouts), s.pairs, replace=False):
            for _ in range(2):
                pictures.append(scene(self.cutouts[number], self.ground(), self.rng))
                thing.append(int(number))
        return pictures, source, thing


def write(maker: Maker, teachers: Teachers, space: Space, folder: Path) -> None:
    """Make one shard, whole or not at all; its folder's name is its number."""
    pictures, source, thing = maker.shard(int(folder.name))
    answers = [
        space(teachers(pictures[i : i + ASK_AT_ONCE])).astype(np.float16)
        for i in range(0, len(pictures), ASK_AT_ONCE)
    ]
    temporary = folder.with_name(f"making-{folder.name}")
    temporary.mkdir()
    small = np.stack([resized(p, STORED_SIZE, STORED_SIZE) for p in pictures])
    np.save(temporary / "pictures.npy", small)
    np.save(temporary / "answers.npy", np.concatenate(answers))
    np.save(temporary / "source.npy", np.array(source, np.int64))
    np.save(temporary / "thing.npy", np.array(thing, np.int64))
    os.replace(temporary, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--cutouts", type=Path, required=True, help="pictures with transparency")
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument(
        "--shards", type=int, help="stop at this number of shards; never if left out"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    folder, settings = chosen_materials(options.materials), read(options.settings).bank
    if options.shards is not None and options.shards > settings.shards:
        parser.error(f"--shards: only {settings.shards} are kept, as the settings say")
    photos = train_photos(folder / "data", settings.held_back)
    cutouts = cutout_files(options.cutouts)
    with held(options.cache) as bank:
        note_made_of(options.cache, made_of(photos, cutouts, settings))
        known = shard_folders(options.cache)
        if options.shards is not None and len(known) >= options.shards:
            return
        maker = Maker(photos, cutouts, drawn_files(options.cache), settings)
        teachers, space = Teachers(folder / "models"), Space.load(options.cache)
        while options.shards is None or len(known) < options.shards:
            before = time.monotonic()
            number = 1 + max((int(p.name) for p in known), default=-1)
            write(maker, teachers, space, bank / f"{number:06}")
            for old in known[: max(0, len(known) + 1 - settings.shards)]:
                remove(old)
            known = shard_folders(options.cache)
            log.info("shard %d, %.0f s", number, time.monotonic() - before)


if __name__ == "__main__":
    with plain_errors():
        main()
