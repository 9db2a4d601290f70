"""Find the things in a picture by a network that knows no kinds of things.

The network is small and ships with the program. It answers for each of 40 x 40 cells how much of it
is a thing, how near it is to the thing's middle, and where the sides of the thing's box are.
training/README.md says how it was made.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from catalog.core.box import Box, overlap, square_around
from catalog.core.errors import FeaturizerError, MissingExtraError, SurroundingsError
from catalog.core.photos import Picture
from catalog.core.vectors import Tensor
from catalog.networks.engines.choice import open_engine
from catalog.networks.finder_answer import (
    CHANNELS,
    SAME,
    boxes_of,
    extent,
    filling,
    overlaps,
    things_mask,
)
from catalog.networks.network import Descriptor, fit, read_descriptor

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "finding"
READING = 4  # raise it when other boxes are read from the same answer
SURE = 0.4  # certainty from which a box is searched; below, the whole picture is
# Of the picture's area. A larger box gains nothing over the whole picture; a smaller one is mostly
# wrong.
NEARLY_ALL, TOO_SMALL = 0.8, 0.02
# A second and a third look, from nearer, at each thing that the picture may be about.
NEARER = 1.8  # times the box's longer side is what such a look shows
NEARER_LOOKS, MOST_NEARER = 2, 4
LEAST_NEARER, SAME_NEARER = 0.3, 0.3  # certainty and overlap from which it is the same thing
# What a thing at the picture's corner counts, one in its middle being 1, and what one counts for
# each side of the picture that it touches.
OFF_MIDDLE, OFF_MIDDLE_NEARER, CUT_OFF = 0.5, 0.1, 0.75
TOUCHING = 2  # pixels between a box and the side of a picture that it touches


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


class FindThings(Protocol):
    """Finds the things in a picture, BGR uint8 (h, w, 3); see `ThingFinder.look`."""

    def __call__(self, image: Picture, *, closely: bool = True) -> Findings:
        """Find them."""


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
        for shares, certainty in zip(boxes, certainties, strict=True):
            box = box_inside(shares * ([width, height] * 2), width, height)
            found.append(FoundThing(box, float(certainty)))
        return tuple(found)

    def look(self, image: Picture, *, closely: bool = True) -> Findings:
        """Find the things in a picture, and the part of it that is to be searched.

        Args:
            image: The picture, BGR uint8 (h, w, 3).
            closely: Look again from nearer at the things that the picture may be about, which
                chooses better among them, makes the first box better, and takes three times as
                long, and longer where there are several.
        """
        height, width = image.shape[:2]
        things = self.find(image)
        boxes = ordered(things, width, height)
        if closely and boxes:
            candidates = ordered(things, width, height, LEAST_NEARER)[:MOST_NEARER]
            looked = [self._closely(image, box) for box in candidates]
            meant = max(range(len(looked)), key=lambda place: looked[place][1])
            first = looked[meant][0]
            # From nearer, it may be the same thing as another box.
            others = (
                box for box in boxes if box != candidates[meant] and overlap(box, first) < SAME
            )
            boxes = (first, *others)
        return findings_of(boxes, width, height)

    def _closely(self, image: Picture, box: Box) -> tuple[Box, float]:
        """A thing's box, as looks from nearer see it, and how likely the picture is about it."""
        height, width = image.shape[:2]
        filled = 0.0
        for _ in range(NEARER_LOOKS):
            box, filled = self._nearer(image, box)
        right, below = width - box.x - box.width, height - box.y - box.height
        touched = sum(distance <= TOUCHING for distance in (box.x, box.y, right, below))
        weight = filled * CUT_OFF**touched * np.sqrt(box.area / (width * height))
        return box, float(weight * _in_the_middle(box, width, height, OFF_MIDDLE_NEARER))

    def _nearer(self, image: Picture, box: Box) -> tuple[Box, float]:
        """The box of the same thing, as a look from nearer sees it; the same box where none does.

        It is the mean of the box that the network tells and of what it takes for a thing. Beside
        it stands how much of the box the network takes for a thing, 0 to 1.
        """
        part = around(box, NEARER, image.shape[1], image.shape[0])
        answer = self.answer(part.cut(image))
        boxes, certainties = boxes_of(answer)
        mask = things_mask(answer)
        scale = np.array([part.width, part.height] * 2, np.float32)
        corner = np.array([part.x, part.y] * 2, np.float32)
        before = np.array([box.x, box.y, box.x + box.width, box.y + box.height], np.float32)
        before = (before - corner) / scale
        same = overlaps(boxes, before) * (certainties >= LEAST_NEARER)
        if not len(boxes) or same.max() < SAME_NEARER:
            return box, filling(mask, before)
        told = boxes[int(np.argmax(same * certainties))]
        seen = extent(mask, told)
        shares = told if seen is None else (told + seen) / 2
        box = box_inside(shares * scale + corner, image.shape[1], image.shape[0])
        return box, filling(mask, shares)

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


def find_things(image: Picture, engine: str = "auto", *, closely: bool = True) -> Findings:
    """Find the things in a picture, BGR uint8 (h, w, 3), with this engine.

    Where the engine cannot run the finder, nothing is found.
    """
    finder = open_finder(engine)
    return NOTHING_FOUND if finder is None else finder.look(image, closely=closely)


def ordered(
    things: Sequence[FoundThing], width: int, height: int, least: float = SURE
) -> tuple[Box, ...]:
    """The boxes of things of at least some certainty, the one that the picture is about first.

    A picture is about a thing that is sure, large, and near the middle of its width and height.
    """

    def weight(thing: FoundThing) -> float:
        middle = _in_the_middle(thing.box, width, height, OFF_MIDDLE)
        return float(thing.certainty * middle * np.sqrt(thing.box.area / (width * height)))

    sure = sorted((thing for thing in things if thing.certainty >= least), key=weight, reverse=True)
    return tuple(thing.box for thing in sure)


def _in_the_middle(box: Box, width: int, height: int, at_corner: float) -> float:
    """1 in the picture's middle, less towards its sides."""
    across = abs(box.x + box.width / 2 - width / 2) / (width / 2)
    down = abs(box.y + box.height / 2 - height / 2) / (height / 2)
    return 1 - (1 - at_corner) * max(across, down)


def findings_of(boxes: tuple[Box, ...], width: int, height: int) -> Findings:
    """The boxes, and what to search of a picture of this size."""
    if not boxes or not TOO_SMALL <= boxes[0].area / (width * height) <= NEARLY_ALL:
        return Findings(boxes, None)
    return Findings(boxes, square_around(boxes[0], 1, width, height))


def box_inside(sides: Tensor, width: int, height: int) -> Box:
    """A box inside a picture, of its left, top, right and bottom side in pixels, (4,)."""
    left, top, right, bottom = np.rint(sides).astype(int).tolist()
    x, y = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return Box(x, y, max(1, min(right, width) - x), max(1, min(bottom, height) - y))


def around(box: Box, times: float, width: int, height: int) -> Box:
    """What a picture shows of a square around a box, as wide as so many of its longer sides."""
    half = max(box.width, box.height) * times / 2
    x, y = box.x + box.width / 2, box.y + box.height / 2
    left, top = max(0, int(x - half)), max(0, int(y - half))
    return Box(left, top, min(width, int(x + half)) - left, min(height, int(y + half)) - top)
