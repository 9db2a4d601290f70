"""Make things of what differs from the background, with the boxes of the network that finds them.

Two things that touch, or of which one lies in the other's shadow, are one patch. A thing that is
partly of the background's colour is several patches, or only a part of it is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box, overlap
from edge.vision.foreground import LEAST_AREA, Thing, things
from edge.vision.illumination import WORKING_WIDTH, Mask

LEAST_COVERED = 0.4  # of a box's pixels; with less foreground it is not about the patch
MOST_SHARED = 0.4  # of the smaller of two boxes; if they share more, they are about one thing
LEAST_EXPLAINED = 0.7  # of a patch's pixels lie in the boxes that separate it
LEAST_PART = 0.1  # of a patch's pixels; a smaller part is no thing of its own
PART_OF_THING = 0.25  # of a box's pixels; a smaller patch inside is something else
INSIDE = 0.85  # of a patch's pixels; with so many of them in a box, it is the patch's only one
OUTSIDE = 0.15  # of a part's pixels; with no more of them in a box, it is beside the box's thing
SAME_BOX = 0.6  # overlap of a box and of what lies in it, from which that is a whole thing


def at_working_scale(boxes: Iterable[Box], frame_width: int) -> list[Box]:
    """Boxes in a frame's pixels, in those of the working scale."""
    scale = WORKING_WIDTH / frame_width
    return [Box(*(round(value * scale) for value in vars(box).values())) for box in boxes]


def grouped(patches: Sequence[Thing], boxes: Sequence[Box]) -> list[list[Thing]]:
    """Group the patches that lie in the box of one thing; each other patch is a group of its own.

    Args:
        patches: What differs from the background, at the working scale.
        boxes: Of the things that were found in the frame, at the working scale.
    """
    groups: list[list[Thing]] = []
    left = list(patches)
    for box in boxes:
        if any(_shared(box, other) > MOST_SHARED for other in boxes if other is not box):
            continue
        inside = [patch for patch in left if _inside(patch, box) >= INSIDE]
        if len(inside) > 1:
            groups.append(inside)
            left = [patch for patch in left if patch not in inside]
    return groups + [[patch] for patch in left]


def united(patches: Sequence[Thing]) -> Thing:
    """Several patches as one thing."""
    if len(patches) == 1:
        return patches[0]
    mask = np.asarray(np.maximum.reduce([patch.mask for patch in patches]), np.uint8)
    return Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum()))


def separated(patch: Thing, boxes: Sequence[Box]) -> list[Thing]:
    """Separate a patch into the things that it consists of.

    Args:
        patch: What differs from the background, at the working scale.
        boxes: Of the things that were found in the frame, at the working scale.

    Returns:
        The things; the patch itself where the boxes do not tell more about it.
    """
    about = _apart([box for box in boxes if _covered(patch.mask, box) >= LEAST_COVERED])
    if len(about) > 1:
        return _parts(patch, about)
    return _beside(patch, about[0]) if about else [patch]


def completed(patch: Thing, boxes: Sequence[Box]) -> Thing:
    """The whole thing of which a patch is the part that differs from the background.

    Where no box tells of one, that is the patch itself.
    """
    around = [box for box in boxes if _inside(patch, box) >= INSIDE]
    if len(around) == 1 and PART_OF_THING <= _covered(patch.mask, around[0]) < LEAST_COVERED:
        return _filled(patch, around[0])
    return patch


def _covered(mask: Mask, box: Box) -> float:
    """The share of a box's pixels that a mask covers."""
    return float(box.cut(mask).sum()) / max(box.area, 1)


def _inside(patch: Thing, box: Box) -> float:
    """The share of a patch's pixels that lie in a box."""
    return float(box.cut(patch.mask).sum()) / patch.area


def _apart(boxes: Sequence[Box]) -> list[Box]:
    """The boxes without those that share much with one before them."""
    kept: list[Box] = []
    for box in boxes:
        if all(_shared(box, other) <= MOST_SHARED for other in kept):
            kept.append(box)
    return kept


def _shared(box: Box, other: Box) -> float:
    """The share of the smaller of two boxes that lies in the other."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    return max(width, 0) * max(height, 0) / max(min(box.area, other.area), 1)


def _parts(patch: Thing, boxes: Sequence[Box]) -> list[Thing]:
    """Give each pixel of a patch to the box that it is nearest to, in sizes of the box."""
    rows, columns = np.nonzero(patch.mask)
    away = np.stack([_away(rows, columns, box) for box in boxes])
    nearest = away.argmin(0)
    if (away.min(0) <= 1).mean() < LEAST_EXPLAINED:
        return [patch]
    parts = []
    least = max(LEAST_PART * patch.area, LEAST_AREA * patch.mask.size)
    for number in range(len(boxes)):
        mine = nearest == number
        mask = np.zeros_like(patch.mask)
        mask[rows[mine], columns[mine]] = 1
        area = int(mine.sum())
        if area >= least:
            parts.append(Thing(Box(*cv2.boundingRect(mask)), mask, area))
    return parts if len(parts) > 1 else [patch]


def _beside(patch: Thing, box: Box) -> list[Thing]:
    """Separate the thing of a box from small parts near it that lie beside the box."""
    count, labels = cv2.connectedComponents(patch.mask)
    inside, outside = np.zeros_like(patch.mask), np.zeros_like(patch.mask)
    for number in range(1, count):
        part = np.asarray(labels == number, np.uint8)
        share = float(box.cut(part).sum()) / int(part.sum())
        if OUTSIDE < share < INSIDE:
            return [patch]
        (inside if share >= INSIDE else outside)[part > 0] = 1
    around, beside = things(inside), things(outside)
    if len(around) == 1 and beside and overlap(around[0].box, box) >= SAME_BOX:
        return [*around, *beside]
    return [patch]


def _away(rows: NDArray[np.intp], columns: NDArray[np.intp], box: Box) -> NDArray[np.float64]:
    """How far pixels are from a box's middle; 1 at its sides."""
    across = np.abs(columns - box.x - box.width / 2) / (box.width / 2)
    down = np.abs(rows - box.y - box.height / 2) / (box.height / 2)
    return np.asarray(np.maximum(across, down))


def _filled(patch: Thing, box: Box) -> Thing:
    """The thing of a box of which a patch is a part."""
    mask = patch.mask.copy()
    box.cut(mask)[:] = 1
    return Thing(Box(*cv2.boundingRect(mask)), mask, int(mask.sum()))
