"""Draw the products that the network learns from, and the held-out ones that it is measured on."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from catalog.core.errors import ContentError
from training.data import STORED_SIZE, read_rgb, resized
from training.errors import plain_errors
from training.photos import chosen_materials, train_photos
from training.things import Recipe, make, recipes
from training.views import view

log = logging.getLogger(__name__)

STUDIO_VIEWS, CAMERA_VIEWS = 2, 4
PART_THINGS = 2000
TRAIN_SEED = 1_000_000
HELD_SEED, OUTSIDE_SEED = 500_000_000, 600_000_000
HELD_THINGS, OUTSIDE_THINGS = 152, 150
MODES = ("squash", "crop", "letterbox")
Bytes = npt.NDArray[np.uint8]


def grounds(materials: Path, count: int, seed: int) -> Bytes:
    """Training photos to put behind drawn products: (count, 160, 160, 3) uint8."""
    photos = train_photos(materials / "data")
    chosen = np.random.default_rng(seed).choice(len(photos), count, replace=False)
    return np.stack(
        [resized(read_rgb(photos[i].path), STORED_SIZE, STORED_SIZE) for i in sorted(chosen)]
    )


def views(
    recipe: Recipe, studio: int, camera: int, photos: Bytes, resize: str | None = None
) -> Bytes:
    """Draw views of a product: (studio + camera, 160, 160, 3) uint8, the studio ones first."""
    thing = make(recipe)
    rng = np.random.default_rng([recipe.seed, recipe.variant, 7])
    return np.stack(
        [
            view(thing, rng, photos, STORED_SIZE, resize, studio=i < studio)
            for i in range(studio + camera)
        ]
    )


def draw_part(cache: Path, photos: Bytes, part: int) -> None:
    """Write `drawn-PART.npy`: (things, views, 160, 160, 3) uint8, groups of look-alikes first."""
    todo = recipes(PART_THINGS, TRAIN_SEED * (part + 1))
    temporary = cache / f"drawn-{part}.tmp.npy"
    shape = (len(todo), STUDIO_VIEWS + CAMERA_VIEWS, STORED_SIZE, STORED_SIZE, 3)
    bank = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
    for i, recipe in enumerate(todo):
        bank[i] = views(recipe, STUDIO_VIEWS, CAMERA_VIEWS, photos)
        if i % 250 == 0:
            log.info("part %d: %d of %d", part, i, len(todo))
    bank.flush()
    temporary.rename(cache / f"drawn-{part}.npy")


def draw_held_out(cache: Path, photos: Bytes) -> None:
    """Write `held.npz`: for each way to resize, a catalogue, queries and foreign things."""
    inside = recipes(HELD_THINGS, HELD_SEED, grouped_share=0.35, group=2)
    outside = recipes(OUTSIDE_THINGS, OUTSIDE_SEED, grouped_share=0.0)
    out: dict[str, Any] = {}
    for mode in MODES:
        known = np.stack([views(r, 4, 2, photos, mode) for r in inside])
        out[f"{mode}-catalogue"], out[f"{mode}-queries"] = known[:, :4], known[:, 4:]
        out[f"{mode}-outside"] = np.stack([views(r, 0, 2, photos, mode) for r in outside])
    temporary = cache / "held.tmp.npz"
    np.savez(temporary, grouped=np.array([r.grouped for r in inside]), **out)
    temporary.rename(cache / "held.npz")


def drawn_files(cache: Path) -> list[Path]:
    """The finished parts of the drawn products, in order.

    Raises:
        ContentError: There is none.
    """
    found = [f for i in range(64) if (f := cache / f"drawn-{i}.npy").exists()]
    if not found:
        raise ContentError(f"{cache}: no drawn products; make them with: python -m training.drawn")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument(
        "--parts",
        type=int,
        nargs="*",
        default=[0, 1, 2],
        help="which parts of 2,000 products to draw",
    )
    parser.add_argument("--held-out", action="store_true", help="draw the held-out set too")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    photos = grounds(chosen_materials(options.materials), 900, 3)
    for part in options.parts:
        if not (options.cache / f"drawn-{part}.npy").exists():
            draw_part(options.cache, photos, part)
    if options.held_out:
        draw_held_out(options.cache, photos)


if __name__ == "__main__":
    with plain_errors():
        main()
