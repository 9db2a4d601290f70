"""The colours of a thing that a device cut out of its frames, and what they say about a view of it.

Things of one shape in other colours have much the same vector, and the histograms of `colours` hold
what lies around the thing and lose what all of it has in common. The views that a device took to be
taught and what it sees later come from one camera, so here no colour is made grey. Only the
brightness is evened out: it differs most from place to place.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, shrink
from catalog.recognition.colours import SIDE, Colours, histogram, middle_weights
from catalog.recognition.lab import lab

VERSION = 1  # raise it when histograms change; taught photos are then described anew
REACH = 60.0  # of a* and b* that the bins cover
LIGHTNESS = 0.5  # that the thing has in the mean; 1 is white
MOST_LIGHTER = 2.5  # times; the colours of a thing in the dark are noise
SAME_GROUND = 8  # grey levels from that of the ground, as JPEG leaves it
LEAST_GROUND = 0.05  # of the pixels; with less the thing was not cut out
LEAST_CORE = 0.2  # of the thing that the border may leave
BORDER = 2  # pixels of the shrunk picture; what is cut out often has some of the counter there
SLOPE, NEUTRAL = 15.0, 0.78  # of the log ratio: how steep it is, and the similarity where it is 0
LEAST_RATIO, MOST_RATIO = -3.0, 1.0  # other things may have the same colours


def thing_colours(image: Picture, ground: int) -> Colours | None:
    """Return the colour histogram of a thing that was cut out; None where none was.

    Args:
        image: BGR uint8 (h, w, 3), the thing on an even grey ground.
        ground: The grey level of that ground.

    Returns:
        Uint8 (256,), as `colours` returns it.
    """
    small = shrink(image, SIDE)
    thing = _thing(small, ground)
    if not 0 < thing.mean() <= 1 - LEAST_GROUND:
        return None
    square = np.ones((3, 3), np.uint8)
    core = cv2.erode(thing, square, iterations=BORDER, borderValue=0)
    if core.sum() < LEAST_CORE * thing.sum():
        core = thing
    weight = middle_weights(*core.shape) * core.ravel()
    pixels = lab(small).reshape(-1, 3).T.astype(np.float32)
    share = np.vstack([pixels[:1] / 255, (pixels[1:] - 128) / REACH])
    mean = float(share[0] @ weight) / float(weight.sum())
    share *= min(LIGHTNESS / max(mean, 1e-3), MOST_LIGHTER)
    share[1:] = (share[1:] + 1) / 2
    return histogram(np.clip(share, 0, 1), weight)


def _thing(small: Picture, ground: int) -> NDArray[np.uint8]:
    """Return 1 where a picture (h, w, 3) shows the thing: not the ground that is at its border.

    Parts of the thing may be as light as the ground.
    """
    like_ground = np.abs(small.astype(np.int16) - ground).max(axis=2) <= SAME_GROUND
    _, labels = cv2.connectedComponents(like_ground.astype(np.uint8), connectivity=4)
    at_border = np.unique(np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()]))
    is_ground = like_ground & np.isin(labels, at_border)
    thing = cv2.morphologyEx(
        (~is_ground).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    return np.asarray(thing, np.uint8)


def log_ratio(similarity: float) -> float:
    """Return the logarithm of a likelihood ratio: is it the thing, and not any other one?

    Args:
        similarity: Of the colours of a look and those of the most similar view of a thing, 0 to 1.
    """
    return float(np.clip(SLOPE * (similarity - NEUTRAL), LEAST_RATIO, MOST_RATIO))


def with_colours(
    confidences: NDArray[np.float64], log_ratios: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Change the confidence in each candidate by Bayes' rule.

    Args:
        confidences: Float64 (c,), together at most 1; the rest is that it is none of them.
        log_ratios: What the colours say about each, (c,); 0 where they were not compared.
    """
    weights = confidences * np.exp(log_ratios)
    none = max(0.0, 1 - float(confidences.sum()))
    return np.asarray(weights / max(float(weights.sum()) + none, 1e-12))
