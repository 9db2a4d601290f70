"""Where "unknown" begins: learned from a catalogue's own photos and from drawn foreign things.

Known: a photo, changed as a camera would change it, asks among all other photos of the
catalogue (an item's only photo stays in). Foreign: drawn things, hands, clutter and empty
counters ask. What counts is the similarity of the best item.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.bundle import Calibration
from catalog.index import Vectors
from catalog.photos import Picture

FOREIGN = 120
KNOWN = 240
SEED = 4713
VERSION = 1  # raise it when `as_seen` or the drawn foreign things change
KNOWN_LOST = 0.03  # share of known things that may be called unknown to refuse foreign ones
FOREIGN_NAMED = 0.10
RIGHT = 0.99  # share of answers named alone that should be right
WIDEST_MARGIN = 0.06


def as_seen(image: Picture, seed: int) -> Picture:
    """A catalogue photo (h, w, 3) as a camera might see the thing.

    Cut out where its ground is plain, turned, shifted, dimmed, blurred, noisy.
    """
    random = np.random.default_rng(seed)
    seen = _on_light_ground(image, random)
    height, width = image.shape[:2]
    turn = np.asarray(
        cv2.getRotationMatrix2D(
            (width / 2, height / 2), random.uniform(-10, 10), random.uniform(0.85, 1.15)
        )
    )
    turn = turn + np.array([[0, 0, random.uniform(-0.05, 0.05) * side] for side in (width, height)])
    seen = cv2.warpAffine(seen, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    if random.random() < 0.5:
        seen = cv2.GaussianBlur(seen, (0, 0), random.uniform(0.4, 1.4))  # type: ignore[assignment]
    tint = random.uniform(0.6, 1.25) * random.uniform(0.93, 1.07, 3)
    noise = random.normal(0, 5, seen.shape)
    return np.asarray(np.clip(seen * tint + noise, 0, 255), np.uint8)


def _on_light_ground(image: Picture, random: np.random.Generator) -> Picture:
    """The thing of a photo with a plain ground cut out roughly; other photos as they are."""
    height, width = image.shape[:2]
    filled = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | 255 << 8
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(image.copy(), filled, corner, (0, 0, 0), (2, 2, 2), (2, 2, 2), flags)
    ground = cv2.GaussianBlur(filled[1:-1, 1:-1], (0, 0), 1.0)[:, :, None] / 255
    if not 0.15 < ground.mean() < 0.92:
        return image
    light = np.full((height, width, 3), random.uniform(205, 245), np.float32)
    return np.asarray(np.clip(image * (1 - ground) + light * ground, 0, 255), np.uint8)


def calibrate(
    vectors: NDArray[np.float16],
    skus: Sequence[str],
    known: Vectors,
    known_photos: Sequence[int],
    foreign: Vectors,
) -> Calibration:
    """Learn the thresholds.

    Args:
        vectors: Stored vectors (n, d).
        skus: The sku of each row.
        known: Embeddings (k, d) of photos as seen by a camera.
        known_photos: The row that each of `known` was made from.
        foreign: Embeddings (f, d) of things that are not in the catalogue.
    """
    names, owners = np.unique(np.asarray(skus), return_inverse=True)
    stored = vectors.astype(np.float32)
    alone = np.bincount(owners)[owners] == 1

    def best_two(query: Vectors, without: int | None) -> tuple[int, float, float]:
        similarities = stored @ query
        if without is not None and not alone[without]:
            similarities[without] = -1
        by_item = np.full(len(names), -1.0, np.float32)
        np.maximum.at(by_item, owners, similarities)
        first = int(by_item.argmax())
        top = float(by_item[first])
        by_item[first] = -1
        return first, top, float(by_item.max(initial=-1.0))

    seen = [best_two(query, row) for query, row in zip(known, known_photos, strict=True)]
    firsts = np.array([first for first, _, _ in seen])
    right = firsts == owners[np.asarray(known_photos)]
    tops = np.array([top for _, top, _ in seen])
    margins = tops - np.array([second for _, _, second in seen])
    strangers = np.array([best_two(query, None)[1] for query in foreign])

    threshold = _threshold(tops, strangers)
    return Calibration(
        unknown_below=round(threshold, 4),
        one_of_margin=round(_margin(margins, right), 4),
        known_kept=round(float((tops >= threshold).mean()), 4),
        foreign_refused=round(float((strangers < threshold).mean()), 4),
    )


def _threshold(known: NDArray[np.float64], foreign: NDArray[np.float64]) -> float:
    """Between the two where they part; else where few known things are lost."""
    lowest_known = float(np.quantile(known, KNOWN_LOST))
    highest_foreign = float(np.quantile(foreign, 1 - FOREIGN_NAMED))
    if highest_foreign < lowest_known:
        return (lowest_known + highest_foreign) / 2
    return lowest_known


def _margin(margins: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least lead over the second item from which nearly all answers are right."""
    order = np.argsort(-margins)
    share_right = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    safe = np.flatnonzero(share_right >= RIGHT)
    if len(safe) == 0:
        return WIDEST_MARGIN
    if safe[-1] == len(order) - 1:
        return 0.0
    return float(np.clip(margins[order[safe[-1]]], 0.0, WIDEST_MARGIN))
