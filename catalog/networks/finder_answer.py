"""Read the boxes of things from what the network that finds things answers.

The network answers for each of 40 x 40 cells how much of it is a thing (four quarters), how near it
is to the thing's middle, and where the sides of the thing's box are.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Tensor

CHANNELS = 9
UNIT = 0.125  # of the picture's size; the network tells distances in it
LEAST = 0.2  # of a cell's certainty that it is the middle of a thing
SAME = 0.45  # overlap from which two boxes are of the same thing
MOST_THINGS = 20
MASKED = 0.5  # share of a part of the picture from which it shows a thing
BESIDE = 0.15  # of a box's size: how far beside it parts of the thing are looked for
OUTLIERS = 0.005  # of a thing, at each side, that count for nothing

Boxes = NDArray[np.float32]  # (n, 4): left, top, right, bottom, as shares of the picture's size


def boxes_of(answer: Tensor) -> tuple[Boxes, NDArray[np.float32]]:
    """Read the boxes of things from the network's answer (9, h, w).

    Each cell that may be near a thing's middle proposes a box. Proposals that overlap are of one
    thing, whose box is their mean, weighed by their certainty.

    Returns:
        Boxes (n, 4) and their certainties (n,), float32, the surest first.
    """
    high, wide = answer.shape[1:]
    # The middle of a quarter of cells that are no thing, as of a ring, is one of a thing, too.
    certainty = _sigmoid(answer[4])
    rows, columns = np.nonzero(certainty > LEAST)
    certainty = certainty[rows, columns]
    distances = np.logaddexp(0, answer[5:, rows, columns]) * UNIT
    x, y = (columns + 0.5) / wide, (rows + 0.5) / high
    proposals = np.stack(
        [x - distances[0], y - distances[1], x + distances[2], y + distances[3]], 1
    ).clip(0, 1)
    boxes: list[Tensor] = []
    certainties: list[float] = []
    left = np.argsort(-certainty, kind="stable")
    while len(left) and len(boxes) < MOST_THINGS:
        first = proposals[left[0]]
        same = overlaps(proposals[left], first) >= SAME
        same[0] = True
        weights = certainty[left[same]] ** 2
        boxes.append((proposals[left[same]] * weights[:, None]).sum(0) / weights.sum())
        certainties.append(float(certainty[left[0]]))
        left = left[~same]
    return (
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(certainties, np.float32),
    )


def overlaps(boxes: Boxes, box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of boxes (n, 4) with one (4,), float32 (n,)."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    both = (high - low).clip(0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + float((box[2:] - box[:2]).prod())
    return np.asarray(both / np.maximum(areas - both, 1e-9), np.float32)


def things_mask(answer: Tensor) -> NDArray[np.float32]:
    """How much of each part of the picture is a thing, float32 (2 h, 2 w), of an answer."""
    high, wide = answer.shape[1:]
    quarters = _sigmoid(answer[:4]).reshape(2, 2, high, wide)
    mask = quarters.transpose(2, 0, 3, 1).reshape(2 * high, 2 * wide)
    return np.asarray(cv2.GaussianBlur(mask, (3, 3), 0), np.float32)


def extent(mask: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """How far the thing in a box reaches, by a mask of things.

    Args:
        mask: How much of each part of a picture is a thing, float32 (h, w).
        box: The box, float32 (4,), as shares of the picture's size.

    Returns:
        A box, float32 (4,); None where the mask shows no thing there.
    """
    high, wide = mask.shape
    beside = np.tile(box[2:] - box[:2], 2) * BESIDE * [-1, -1, 1, 1]
    left, top, right, bottom = np.rint((box + beside).clip(0, 1) * [wide, high, wide, high]).astype(
        int
    )
    part = mask[top:bottom, left:right]
    part = np.where(part >= MASKED, part, 0)
    if not part.any():
        return None
    columns, rows = (np.cumsum(part.sum(axis)) / part.sum() for axis in (0, 1))
    first_x, last_x = np.searchsorted(columns, (OUTLIERS, 1 - OUTLIERS))
    first_y, last_y = np.searchsorted(rows, (OUTLIERS, 1 - OUTLIERS))
    found = [left + first_x, top + first_y, left + last_x + 1, top + last_y + 1]
    return np.asarray(np.divide(found, [wide, high, wide, high]), np.float32)


def filling(mask: NDArray[np.float32], box: NDArray[np.float32]) -> float:
    """How much of a box (4,), as shares of the picture's size, a mask takes for a thing, 0 to 1."""
    high, wide = mask.shape
    left, top, right, bottom = np.rint(box.clip(0, 1) * [wide, high, wide, high]).astype(int)
    part = mask[top:bottom, left:right]
    return float(part.mean()) if part.size else 0.0


def _sigmoid(logits: Tensor) -> Tensor:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
