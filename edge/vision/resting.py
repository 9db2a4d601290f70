"""Remember the things that rest, and say whether each is still there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from edge.vision.foreground import Thing
from edge.vision.illumination import MOST_TINT, Mask, WorkingImage, channel_max, gain, relit

SAME_LOOK = 16.0  # grey levels; a larger difference is another surface
SAMPLE = 3  # every third pixel in each direction is enough to estimate the light on a thing
LEAST_SEEN = 0.6  # of a thing's pixels look as before: it is there
SAME = 0.975  # of a thing's pixels look as before: it is as it was
LEAST_GONE = 0.5  # of a thing's pixels are the background's: it is gone
COVERED = 0.5  # of a thing's pixels; what lies on so many has taken its place
SECOND_THING = 0.15  # of the largest thing's area; a smaller one does not lead
LEAST_BESIDE = 0.05  # of the largest thing's area; a smaller patch is no thing beside it
TOGETHER_S = 0.5  # things that come to rest within so long came together
EDGE = np.ones((5, 5), np.uint8)  # pixels about a thing that belong to its blurred edge


class Presence(StrEnum):
    """Whether a resting thing is seen, looks otherwise, is covered, or is gone."""

    SEEN = "seen"
    CHANGED = "changed"
    HIDDEN = "hidden"
    GONE = "gone"


@dataclass(frozen=True, eq=False)
class RestingThing:
    """A thing at rest.

    Attributes:
        thing: What of it differs from the background.
        whole: All of it; more than `thing` where a part has the background's colour.
        look: The frame in which it came to rest, at the working scale.
        since: When it came to rest, in seconds of the scene's clock.
        change: The number of its look, as in `SceneState`.
        visit: The number of its visit, as in `SceneState`.
        touched: Whether something that reached into the frame was near it.
        hidden_since: From when on something that does not move hides it; None where it is seen.
    """

    thing: Thing
    whole: Thing
    look: WorkingImage
    since: float
    change: int
    visit: int
    touched: bool = False
    hidden_since: float | None = None


def presence(
    resting: RestingThing, now: WorkingImage, background: WorkingImage, mask: Mask
) -> Presence:
    """Whether a resting thing is still there.

    Its looks are compared in the light that falls on it now.

    Args:
        resting: The thing.
        now: The frame.
        background: The background in the frame's light.
        mask: The frame's foreground.
    """
    box = resting.thing.box
    part = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
    inside = resting.thing.mask[part] > 0
    seen, before = now[part], resting.look[part]
    light = gain(before[::SAMPLE, ::SAMPLE], seen[::SAMPLE, ::SAMPLE])
    brightness = float(light.mean())
    light = np.clip(light, (1 - MOST_TINT) * brightness, (1 + MOST_TINT) * brightness)
    from_look = channel_max(cv2.absdiff(seen, relit(before, light)))[inside]
    from_background = channel_max(cv2.absdiff(seen, background[part]))[inside]
    is_background = (mask[part][inside] == 0) & (from_background < from_look)
    if is_background.mean() >= LEAST_GONE:
        return Presence.GONE
    as_before = float(((from_look < SAME_LOOK) & ~is_background).mean())
    if as_before < LEAST_SEEN:
        return Presence.HIDDEN
    return Presence.SEEN if as_before >= SAME else Presence.CHANGED


def is_covered(resting: RestingThing, other: Thing) -> bool:
    """Whether another thing lies on most of a resting thing's pixels."""
    both = int(np.count_nonzero(resting.thing.mask & other.mask))
    return both >= COVERED * min(resting.thing.area, other.area)


def leader(things: Sequence[RestingThing]) -> RestingThing | None:
    """The thing that came to rest last; of those that came together, the largest.

    What is small beside another thing does not lead.
    """
    if not things:
        return None
    least = SECOND_THING * max(resting.thing.area for resting in things)
    large = [resting for resting in things if resting.thing.area >= least]
    newest = max(resting.since for resting in large) - TOGETHER_S
    return max(
        (resting for resting in large if resting.since >= newest),
        key=lambda resting: resting.thing.box.width * resting.thing.box.height,
    )


def without_things(mask: Mask, things: Sequence[RestingThing]) -> Mask:
    """A frame's foreground without some things and their edges."""
    rest = mask.copy()
    for resting in things:
        rest[cv2.dilate(resting.thing.mask, EDGE) > 0] = 0
    if things:  # what remains of a changed shadow along an edge is thin
        rest = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    return rest
