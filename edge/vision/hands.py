"""Tell hands from things: a patch that reaches into the frame and is only skin and sleeve."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.foreground import LEAST_AREA, Thing, is_at_border, reaches_in, things
from edge.vision.illumination import WorkingImage

# Chroma of skin, light or dark, in YCrCb; the bounds of Chai and Ngan (1999), made a little
# wider for warm and cold lamps.
LEAST_SKIN = np.array((0, 134, 70))
MOST_SKIN = np.array((255, 176, 130))
LEAST_SKIN_SHARE = 0.08  # of a patch at the border; with less skin it is a thing, not a hand
PRINTED_SHARE = 0.2  # of a patch; so little skin may be a printed colour
CUT_SHARE = 0.6  # of a patch; a part of that size at the border is a thing cut by the border
SAME_SKIN = 14  # levels of chroma about the median of a hand
LEAST_HELD_AREA = 3.0  # times the least area of a thing, once the hand is taken away


def skin(now: WorkingImage) -> NDArray[np.bool_]:
    """Find the pixels (h, w) that have the colour of skin."""
    chroma = cv2.cvtColor(now, cv2.COLOR_BGR2YCrCb)
    return np.asarray(cv2.inRange(chroma, LEAST_SKIN, MOST_SKIN)) > 0


def without_hand(now: WorkingImage, background: WorkingImage, patch: Thing) -> Thing | None:
    """Cut the hand that holds a thing off its patch; None where the patch is only a hand.

    A patch that does not reach the frame's border, or shows no skin, is returned as it is.
    A thing in a hand is neither skin nor sleeve, and it does not reach the border.

    Args:
        now: The frame.
        background: The background in the frame's light.
        patch: What differs from the background.
    """
    if not is_at_border(patch.mask) or not reaches_in(patch, now, background):
        return patch
    inside = patch.mask > 0
    skin_pixels = skin(now) & inside
    skin_share = skin_pixels.sum() / patch.area
    if skin_share < LEAST_SKIN_SHARE:
        return patch
    rest = (inside & ~_same_skin(now, skin_pixels)).astype(np.uint8)
    rest = np.asarray(cv2.morphologyEx(rest, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)))
    parts = things(rest)
    at_border = [part for part in parts if is_at_border(part.mask)]
    if skin_share < PRINTED_SHARE and at_border and at_border[0].area > CUT_SHARE * patch.area:
        return patch  # its skin colour is printed on it, and the frame's border cuts it
    free = [part for part in parts if not is_at_border(part.mask)]
    if not free or free[0].area < LEAST_HELD_AREA * LEAST_AREA * rest.size:
        return None
    return free[0]


def _same_skin(now: WorkingImage, skin_pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the pixels (h, w) of the same skin's chroma, in light and in shade."""
    chroma = cv2.cvtColor(now, cv2.COLOR_BGR2YCrCb)[..., 1:].astype(np.int16)
    usual = np.median(chroma[skin_pixels], axis=0)
    return np.asarray(skin_pixels | (np.abs(chroma - usual) <= SAME_SKIN).all(2), np.bool_)
