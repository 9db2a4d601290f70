"""Things that have come, and have not been at rest for long enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.core.box import square_around
from edge.vision.foreground import Thing
from edge.vision.illumination import WORKING_WIDTH
from edge.vision.resting import SECOND_THING, RestingThing
from edge.vision.scene import (
    IN_HAND_CHANGE,
    MOTION,
    MOTION_WIDTH,
    REST_S,
    MotionImage,
    motion_between,
)

COVER_S = 2.0  # what hides a thing and does not move for so long has taken its place
FEW_OF_THING = 0.01  # of the pixels about a thing; so few changed ones mean nothing
REACH = 8  # pixels; something that reaches in and comes so near to a thing may touch it


@dataclass(frozen=True, eq=False)
class Arrival:
    """A thing that has not been at rest for long enough.

    Attributes:
        thing: Its place and shape.
        motion: The frame from which on it has not moved, at the motion scale.
        since: The time of that frame.
        change: The number of its look, as in `SceneState`.
        visit: The number of its visit, as in `SceneState`.
        at_border: Whether it reaches in from the frame's border.
        covers: Whether it hides a thing that rests.
        held: Whether something reaches in from the border, which may hold it.
    """

    thing: Thing
    motion: MotionImage
    since: float
    change: int
    visit: int
    at_border: bool
    covers: bool
    held: bool

    @property
    def due(self) -> float:
        """When it will be at rest, unless it moves."""
        return self.since + (COVER_S if self.is_over else REST_S)

    @property
    def is_over(self) -> bool:
        """Whether it may be an arm, or what an arm leaves free of a thing below it."""
        return self.covers and (self.at_border or self.held)


def is_same_look(thing: Thing, motion: MotionImage, before: Arrival) -> bool:
    """Whether a thing in the same place looks as it did when it stopped."""
    scale = WORKING_WIDTH / MOTION_WIDTH
    height, width = thing.mask.shape
    box = square_around(thing.box, 1, width, height)
    part = motion_between(motion, before.motion)[
        int(box.y / scale) : int((box.y + box.height) / scale) + 1,
        int(box.x / scale) : int((box.x + box.width) / scale) + 1,
    ]
    if before.held:
        return float(part.mean()) < IN_HAND_CHANGE
    return int(np.count_nonzero(part >= MOTION)) <= FEW_OF_THING * part.size


def is_beside(patch: Thing, thing: Thing) -> bool:
    """Whether a patch comes near to a thing."""
    box = thing.box
    near = patch.mask[
        max(0, box.y - REACH) : box.y + box.height + REACH,
        max(0, box.x - REACH) : box.x + box.width + REACH,
    ]
    return bool(near.any())


def may_lead(arrival: Arrival, resting: RestingThing) -> bool:
    """Whether a thing that comes is no arm, and not small beside the one that rests."""
    if arrival.at_border or arrival.is_over:
        return False
    return arrival.thing.area >= SECOND_THING * resting.thing.area
