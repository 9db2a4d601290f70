"""Gather the cut-out things and the backgrounds that pictures are composed of.

    python -m training.finding.things --cache CACHE --cutouts CACHE/package/assets

The things are drawn products, emoji, and things cut out of photos with a plain background.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from training.cutouts import cutout_files, read_cutout
from training.data import Floats, Image, read_rgb, resized
from training.errors import plain_errors
from training.finding.segment import cut_out
from training.photos import chosen_materials, folder_per_class, train_photos
from training.solids import camera_pose, layer
from training.things import make, recipes

log = logging.getLogger(__name__)

SIDE = 144  # pixels, longer side of a stored thing
PHOTO_SIDE = 192  # pixels of a stored photo, whose shape is lost
DRAWN, DRAWN_SEED = 2400, 700_000_000
GROUNDS, GROUNDS_SEED = 3600, 11
KINDS = ("drawn", "emoji", "photos")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Things:
    """What pictures are composed of.

    Attributes:
        layers: Cut-out things by kind, each (n, 144, 144, 4) uint8 RGBA, in the left top corner.
        sizes: Their heights and widths by kind, each (n, 2) int32.
        plain: Photos whose thing was cut out, (n, 192, 192, 4) uint8; opacity is the thing.
        grounds: Photos to put things over, (n, 192, 192, 3) uint8.
    """

    layers: dict[str, Bytes]
    sizes: dict[str, npt.NDArray[np.int32]]
    plain: Bytes
    grounds: Bytes

    def thing(self, kind: str, number: int) -> Image:
        """One cut-out thing, (height, width, 4) uint8 RGBA."""
        height, width = self.sizes[kind][number]
        return self.layers[kind][number, :height, :width]


def trimmed(thing: Image) -> Image | None:
    """A cut-out thing without its empty margins, its longer side 144 pixels or fewer."""
    rows, columns = np.nonzero(thing[..., 3] > 96)
    if len(rows) < 60:
        return None
    part = thing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = min(1.0, SIDE / max(part.shape[:2]))
    height, width = (max(1, round(length * scale)) for length in part.shape[:2])
    premultiplied = part.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    small: Floats = np.asarray(
        cv2.resize(premultiplied, (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    small[..., :3] /= np.maximum(small[..., 3:], 1) / 255
    return np.asarray(small.clip(0, 255), np.uint8)


def drawn_things(count: int, seed: int) -> Iterator[Image]:
    """Drawn products, each seen once by a camera."""
    for recipe in recipes(count, seed, grouped_share=0.0):
        rng = np.random.default_rng([recipe.seed, 8])
        yield layer(make(recipe), camera_pose(rng), rng, soft=bool(rng.random() < 0.3))


def plain_photos(data: Path) -> Iterator[Image]:
    """Photos of the pools with the thing's opacity, (h, w, 4) uint8; not all photos have one."""
    for pool in ("caltech", "trashnet"):
        for file, _ in folder_per_class(data / "pool" / pool):
            photo = cut_out(read_rgb(file))
            if photo is not None:
                yield photo


def stored(things: Sequence[Image]) -> tuple[Bytes, npt.NDArray[np.int32]]:
    """Things in one array, and their sizes."""
    small = [thing for thing in map(trimmed, things) if thing is not None]
    layers = np.zeros((len(small), SIDE, SIDE, 4), np.uint8)
    for place, thing in zip(layers, small, strict=True):
        place[: thing.shape[0], : thing.shape[1]] = thing
    return layers, np.array([thing.shape[:2] for thing in small], np.int32)


def gather(data: Path, cutouts: Path, cache: Path) -> None:
    """Write the things' files into the cache."""
    folder = cache / "finding"
    folder.mkdir(parents=True, exist_ok=True)
    photos = list(plain_photos(data))
    log.info("%d things in photos", len(photos))
    squashed = [resized(photo, PHOTO_SIDE, PHOTO_SIDE) for photo in photos]
    np.save(folder / "plain.npy", np.stack(squashed))
    emoji = [read_cutout(file) for file in cutout_files(cutouts)]
    for kind, things in (
        ("photos", photos),
        ("emoji", emoji),
        ("drawn", list(drawn_things(DRAWN, DRAWN_SEED))),
    ):
        layers, sizes = stored(things)
        np.save(folder / f"{kind}.npy", layers)
        np.save(folder / f"{kind}-sizes.npy", sizes)
        log.info("%d things: %s", len(layers), kind)
    files = train_photos(data)
    chosen = np.random.default_rng(GROUNDS_SEED).choice(len(files), GROUNDS, replace=False)
    grounds = [resized(read_rgb(files[i].path), PHOTO_SIDE, PHOTO_SIDE) for i in sorted(chosen)]
    np.save(folder / "grounds.npy", np.stack(grounds))


def read_things(cache: Path) -> Things:
    """The things in a cache, as files that processes share."""
    folder = cache / "finding"

    def mapped(name: str) -> Bytes:
        return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    return Things(
        {kind: mapped(kind) for kind in KINDS},
        {kind: np.load(folder / f"{kind}-sizes.npy") for kind in KINDS},
        mapped("plain"),
        mapped("grounds"),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--cutouts", type=Path, required=True, help="pictures with transparency")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    gather(chosen_materials(options.materials) / "data", options.cutouts, options.cache)


if __name__ == "__main__":
    with plain_errors():
        main()
