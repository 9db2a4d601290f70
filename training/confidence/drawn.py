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
STUDIO_VIEWS, CAMERA_VIEWS = 4, 5
SIDE, COVER_SIDE = 256, 400  # pixels
COMPLETE = "complete"


def draw(folder: Path, materials: Path) -> None:
    """Fill `things` and `covers` in a folder, each with `catalogue` and `looks`, unless complete.

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
    (folder / COMPLETE).touch()


def _write(path: Path, picture: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    durable.write(path, encoded.tobytes())
