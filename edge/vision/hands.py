"""Hands are no things: what reaches into the picture and is only skin and sleeve."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.foreground import LEAST_AREA, Mask, Small, Thing, things

# Chroma of skin, light or dark, in YCrCb; the classic bounds of Chai and Ngan (1999), a
# little wider for warm and cold lamps.
LEAST_SKIN = np.array((0, 134, 70))
MOST_SKIN = np.array((255, 176, 130))
CONTACT = 5  # small pixels on the frame's border; fewer touch by chance
LEAST_SHARE = 0.08  # of a patch that reaches in; with less skin it is a thing cut by the border
LITTLE_SKIN, MOST_OF_IT = 0.2, 0.6  # shares of a patch: a thing that the border cuts
SAME_SKIN = 14  # levels of chroma about the median of a hand
HELD = 3.0  # times the least area: what is left without the hand


def touches_border(mask: Mask) -> bool:
    """Whether a patch reaches the frame's border."""
    edges = (mask[:4].max(0), mask[-4:].max(0), mask[:, :4].max(1), mask[:, -4:].max(1))
    return max(int(edge.sum()) for edge in edges) >= CONTACT


def skin(now: Small) -> NDArray[np.bool_]:
    """Pixels (h, w) of the colour of skin."""
    chroma = cv2.cvtColor(now, cv2.COLOR_BGR2YCrCb)
    return np.asarray(cv2.inRange(chroma, LEAST_SKIN, MOST_SKIN)) > 0


def without_hand(now: Small, thing: Thing) -> Thing | None:
    """A patch without the hand that holds it; None when it is nothing but a hand.

    A patch that stays inside the frame, or has no skin, is a thing as it is. What a hand
    holds is neither skin nor sleeve: it does not reach to the border.
    """
    if not touches_border(thing.mask):
        return thing
    inside = thing.mask > 0
    bare = skin(now) & inside
    share = bare.sum() / thing.area
    if share < LEAST_SHARE:
        return thing
    rest = (inside & ~_alike(now, bare)).astype(np.uint8)
    rest = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)))
    parts = things(rest)
    cut = [one for one in parts if touches_border(one.mask)]
    if share < LITTLE_SKIN and cut and cut[0].area > MOST_OF_IT * thing.area:
        return thing  # it is printed in such a colour, and the frame's border cuts it
    left = [one for one in parts if not touches_border(one.mask)]
    if not left or left[0].area < HELD * LEAST_AREA * rest.size:
        return None
    return left[0]


def _alike(now: Small, bare: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels (h, w) of the chroma of this very skin, in light and shade."""
    chroma = cv2.cvtColor(now, cv2.COLOR_BGR2YCrCb)[..., 1:].astype(np.int16)
    usual = np.median(chroma[bare], axis=0)
    return np.asarray(bare | (np.abs(chroma - usual) <= SAME_SKIN).all(2), np.bool_)
