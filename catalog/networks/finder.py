"""Find the things in a picture by a network that knows no kinds of things.

The network is small and ships with the program. It answers for each of 40 x 40 cells how much of it
is a thing, how near it is to the thing's middle, and where the sides of the thing's box are.
training/README.md says how it was made.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box, square_around
from catalog.core.errors import FeaturizerError, MissingExtraError, SurroundingsError
from catalog.core.photos import Picture
from catalog.core.vectors import Tensor
from catalog.networks.engines.choice import open_engine
from catalog.networks.network import Descriptor, fit, read_descriptor

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "finding"
READING = 1  # raise it when other boxes are read from the same answer
CHANNELS = 9
UNIT = 0.125  # of the picture's size; the network tells distances in it
LEAST = 0.2  # of a cell's certainty that it is the middle of a thing
SAME = 0.45  # overlap from which two boxes are of the same thing
MOST_THINGS = 20
SURE = 0.4  # certainty from which a box is searched; below, the whole picture is
# Of the picture's area. A larger box gains nothing over the whole picture; a smaller one is, in
# photos of piles and shelves, mostly a wrong one.
NEARLY_ALL, TOO_SMALL = 0.8, 0.05
OFF_MIDDLE = 0.5  # what a thing at the picture's corner counts, one in its middle being 1

Boxes = NDArray[np.float32]  # (n, 4): left, top, right, bottom, as shares of the picture's size


@dataclass(frozen=True)
class FoundThing:
    """A thing that was found in a picture.

    Attributes:
        box: Where it is.
        certainty: How sure it is that this is one whole thing, 0 to 1.
    """

    box: Box
    certainty: float


@dataclass(frozen=True)
class Findings:
    """What was found in a picture.

    Attributes:
        boxes: The things that are surely there, the one that the picture is about first.
        part: The part of the picture to search; None for all of it, where no thing is sure, or the
            first nearly fills the picture or is very small.
    """

    boxes: tuple[Box, ...]
    part: Box | None


NOTHING_FOUND = Findings((), None)
FindThings = Callable[[Picture], Findings]


class ThingFinder:
    """The open network; threads may share it.

    Attributes:
        id: 16 hex digits of the digest of the network and of how its answer is read.

    Args:
        engine: What runs it; see `catalog.networks.engines.choice.open_engine`.
        folder: The network's folder.

    Raises:
        FeaturizerError, MissingExtraError, SurroundingsError: The engine cannot run it.
    """

    def __init__(self, engine: str = "auto", folder: Path = FOLDER) -> None:
        self._descriptor: Descriptor = read_descriptor(folder)
        path = folder / self._descriptor.network
        read = hashlib.sha256(path.read_bytes())
        read.update(str(READING).encode())
        self.id = read.hexdigest()[:16]
        self._engine = open_engine(path, self._descriptor.output, engine)

    def find(self, image: Picture) -> tuple[FoundThing, ...]:
        """Find things in a picture, BGR uint8 (h, w, 3), the surest first.

        Raises:
            FeaturizerError: The network's answer has another shape than it should have.
        """
        height, width = image.shape[:2]
        answer = self.answer(image)
        boxes, certainties = boxes_of(answer)
        found = []
        for (left, top, right, bottom), certainty in zip(boxes, certainties, strict=True):
            x, y = round(float(left) * width), round(float(top) * height)
            wide = max(1, min(width, round(float(right) * width)) - x)
            high = max(1, min(height, round(float(bottom) * height)) - y)
            box = Box(min(x, width - 1), min(y, height - 1), wide, high)
            found.append(FoundThing(box, float(certainty)))
        return tuple(found)

    def look(self, image: Picture) -> Findings:
        """Find the things in a picture, and the part of it that is to be searched."""
        return chosen(self.find(image), image.shape[1], image.shape[0])

    def answer(self, image: Picture) -> Tensor:
        """The network's own answer about a picture, float32 (9, 40, 40)."""
        fitted = fit(image, self._descriptor)[..., ::-1].astype(np.float32)
        mean, std = (np.array(v, np.float32) for v in (self._descriptor.mean, self._descriptor.std))
        batch = np.ascontiguousarray(((fitted - mean) / std).transpose(2, 0, 1)[None])
        answer = self._engine.run(batch)
        if answer.ndim != 4 or answer.shape[1] != CHANNELS:
            raise FeaturizerError(
                f"the network that finds things answered with shape {answer.shape}"
            )
        return np.asarray(answer[0], np.float32)


@cache
def open_finder(engine: str) -> ThingFinder | None:
    """The finder that this engine runs, opened once; None where the engine cannot run it."""
    try:
        return ThingFinder(engine)
    except (FeaturizerError, MissingExtraError, SurroundingsError) as error:
        log.warning("pictures are searched as a whole: %s", error)
        return None


def find_things(image: Picture, engine: str = "auto") -> Findings:
    """Find the things in a picture, BGR uint8 (h, w, 3), with this engine.

    Where the engine cannot run the finder, nothing is found.
    """
    finder = open_finder(engine)
    return NOTHING_FOUND if finder is None else finder.look(image)


def chosen(things: Sequence[FoundThing], width: int, height: int) -> Findings:
    """Choose the thing that a picture of this size is about: sure, large and near its middle."""

    def weight(thing: FoundThing) -> float:
        box = thing.box
        across = abs(box.x + box.width / 2 - width / 2) / (width / 2)
        down = abs(box.y + box.height / 2 - height / 2) / (height / 2)
        middle = 1 - (1 - OFF_MIDDLE) * max(across, down)
        return float(thing.certainty * middle * np.sqrt(box.area / (width * height)))

    sure = sorted((thing for thing in things if thing.certainty >= SURE), key=weight, reverse=True)
    boxes = tuple(thing.box for thing in sure)
    if not boxes or not TOO_SMALL <= boxes[0].area / (width * height) <= NEARLY_ALL:
        return Findings(boxes, None)
    return Findings(boxes, square_around(boxes[0], 1, width, height))


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


def _sigmoid(logits: Tensor) -> Tensor:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
