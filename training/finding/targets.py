"""What the network should answer about a composed picture, and how wrong an answer is."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from training.finding.compose import SIZE, Numbers

CELLS = 40  # across and down
UNIT = SIZE / 8  # pixels; distances to a box's sides are learned in it
CENTRE_WEIGHT, BOX_WEIGHT, OVERLAP_WEIGHT = 2.0, 2.0, 1.0

Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Target:
    """The right answer about one picture.

    Attributes:
        share: How much of each quarter of a cell is a thing, (80, 80) uint8, 255 is all.
        middle: How near each cell is to its thing's middle, (40, 40) uint8; 0 where none is.
        sides: Distances to the left, top, right and bottom of its thing's box, (4, 40, 40)
            float16, in eighths of the picture.
    """

    share: Bytes
    middle: Bytes
    sides: Halves


def target(numbers: Numbers) -> Target:
    """The right answer about a picture whose pixels show these things, (160, 160) uint8."""
    whole = (numbers > 0).astype(np.uint8) * 255
    share = cv2.resize(whole, (2 * CELLS, 2 * CELLS), interpolation=cv2.INTER_AREA)
    most = np.full((CELLS, CELLS), 127, np.uint8)
    middle, sides = np.zeros((CELLS, CELLS), np.uint8), np.zeros((4, CELLS, CELLS), np.float16)
    at = (np.arange(CELLS, dtype=np.float32) + 0.5) * SIZE / CELLS
    for number in np.unique(numbers[numbers > 0]):
        mask = (numbers == number).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        cells = cv2.resize(mask * 255, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        own = cells > most
        most = np.maximum(most, cells)
        across = np.stack([at - left, left + width - at])
        down = np.stack([at - top, top + height - at])
        inside = np.maximum(across.min(0), 0)[None] * np.maximum(down.min(0), 0)[:, None]
        near = np.sqrt(inside / (across.max(0)[None] * down.max(0)[:, None]))
        middle[own] = (near * 255).astype(np.uint8)[own]
        grid = np.broadcast_to
        shape = (CELLS, CELLS)
        every = [
            grid(across[0][None], shape),
            grid(down[0][:, None], shape),
            grid(across[1][None], shape),
            grid(down[1][:, None], shape),
        ]
        for place, distance in zip(sides, every, strict=True):
            place[own] = (distance[own] / UNIT).astype(np.float16)
    return Target(np.asarray(share, np.uint8), middle, sides)


def loss(answer: Tensor, share: Tensor, middle: Tensor, sides: Tensor) -> dict[str, Tensor]:
    """How wrong a batch of answers is, by part; their sum is what training makes small.

    Args:
        answer: (n, 9, 40, 40), see `Finder.forward`.
        share: (n, 80, 80), 0 to 1.
        middle: (n, 40, 40), 0 to 1.
        sides: (n, 4, 40, 40), in eighths of the picture.
    """
    quarters = torch.nn.functional.pixel_shuffle(answer[:, :4], 2)[:, 0]
    mask = binary_cross_entropy_with_logits(quarters, share)
    seen = torch.sigmoid(quarters)
    both, either = (seen * share).sum((1, 2)), (seen + share).sum((1, 2))
    overlap = (1 - (2 * both + 20) / (either + 20)).mean()
    centre = binary_cross_entropy_with_logits(answer[:, 4], middle)
    weight = middle.square() + 0.1 * (middle > 0)
    found = softplus(answer[:, 5:])
    wide = torch.minimum(found[:, 0], sides[:, 0]) + torch.minimum(found[:, 2], sides[:, 2])
    high = torch.minimum(found[:, 1], sides[:, 1]) + torch.minimum(found[:, 3], sides[:, 3])
    area = (found[:, 0] + found[:, 2]) * (found[:, 1] + found[:, 3])
    wanted = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    common = wide.clamp(0) * high.clamp(0)
    away = 1 - (common + 0.01) / (area + wanted - common + 0.01)
    gap = (found - sides).abs().mean(1)
    box = ((away + 0.2 * gap) * weight).sum() / (weight.sum() + 1)
    return {
        "mask": mask,
        "overlap": OVERLAP_WEIGHT * overlap,
        "centre": CENTRE_WEIGHT * centre,
        "box": BOX_WEIGHT * box,
    }
