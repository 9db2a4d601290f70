"""Draw things and covers that no network was trained on: catalogue photos, and looks at them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from catalog.core import durable
from training.data import Image
from training.drawn import grounds
from training.things import Box, Flat, make, recipes
from training.views import view

THINGS_SEED, COVERS_SEED = 700_000_000, 800_000_000
THINGS, COVERS, RECIPES = 240, 150, 900
STUDIO_VIEWS, CAMERA_VIEWS, WHOLE_VIEWS = 4, 5, 3
SMALLEST, LARGEST = 0.45, 0.85  # share of a whole photo's side that the thing takes
SIDE, COVER_SIDE = 256, 400  # pixels
COMPLETE = "complete-2"  # raise the number when other pictures are drawn


def draw(folder: Path, materials: Path) -> None:
    """Fill `things` and `covers` in a folder with pictures, unless that was completed.

    Each has three folders: `catalogue`, `looks`, which are cut to the thing, and `whole`, photos
    in which much more than the thing is seen.

    Args:
        folder: Where they are written.
        materials: The folder whose training photos stand behind the things.
    """
    if (folder / COMPLETE).exists():
        return
    behind = grounds(materials, 300, 11)
    for number, recipe in enumerate(recipes(THINGS, THINGS_SEED, grouped_share=0.3, group=2)):
        thing, sku = make(recipe), f"thing-{number:03d}"
        random = np.random.default_rng([recipe.seed, recipe.variant, 77])
        for at in range(STUDIO_VIEWS):
            way = "letterbox" if at % 2 else "crop"
            picture = view(thing, random, behind, SIDE, way, studio=True)
            _write(folder / "things" / "catalogue" / sku / f"{at}.jpg", picture)
        for at in range(CAMERA_VIEWS):
            picture = view(thing, random, behind, SIDE, "crop", studio=False)
            _write(folder / "things" / "looks" / sku / f"{at}.jpg", picture)
            if at < WHOLE_VIEWS:
                whole = _amid_more(picture, random, behind)
                _write(folder / "things" / "whole" / sku / f"{at}.jpg", whole)
    boxes = (
        (recipe, thing)
        for recipe in recipes(RECIPES, COVERS_SEED, grouped_share=0.1, group=2)
        if isinstance(thing := make(recipe), Box)
    )
    for number, (recipe, box) in zip(range(COVERS), boxes, strict=False):
        sku, face = f"cover-{number:03d}", box.front
        random = np.random.default_rng([recipe.seed, recipe.variant, 78])
        opaque = np.full(face.shape[:2], 255, np.uint8)
        shrink = min(1.0, COVER_SIDE / max(face.shape[:2]))
        clean = cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        _write(folder / "covers" / "catalogue" / sku / "0.jpg", np.asarray(clean, np.uint8))
        for at in range(CAMERA_VIEWS):
            flat = Flat(np.dstack([face, opaque]))
            picture = view(flat, random, behind, SIDE, "crop", studio=False)
            _write(folder / "covers" / "looks" / sku / f"{at}.jpg", picture)
            if at < WHOLE_VIEWS:
                whole = _amid_more(picture, random, behind)
                _write(folder / "covers" / "whole" / sku / f"{at}.jpg", whole)
    (folder / COMPLETE).touch()


def _amid_more(picture: Image, random: np.random.Generator, behind: Image) -> Image:
    """Return a picture (SIDE, SIDE, 3) somewhere within a photo of something else."""
    photo = np.asarray(behind[int(random.integers(len(behind)))])
    whole = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    side = int(SIDE * random.uniform(SMALLEST, LARGEST))
    top, left = random.integers(0, SIDE - side, 2)
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    whole[top : top + side, left : left + side] = small
    return np.asarray(whole, np.uint8)


def _write(path: Path, picture: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    durable.write(path, encoded.tobytes())
