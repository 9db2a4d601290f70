"""Leave out strong light: where it blinds the camera or is coloured, no texture shows what it is.

Its border is soft. The border of a thing is as sharp as the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from edge.vision.background import Comparison
from edge.vision.foreground import Thing, things
from edge.vision.illumination import WEAK
from edge.vision.resting import RestingThing, without_things

LIGHTER = 0.97  # of a patch's pixels are lighter than the background
SOFT = 18.0  # pixels over which it becomes light; a thing does so within 14, out of focus too
STEEP = 90  # percentile; so many of the pixels about a patch are less steep
REGION = (9, 9)  # pixels; a surface's texture is finer
GAPS = np.ones((41, 41), np.uint8)  # inside the strongest light the frame may be as the background
EDGE = np.ones((9, 9), np.uint8)  # pixels about a patch that belong to its border


def without_glare(compared: Comparison, resting: Sequence[RestingThing]) -> Comparison:
    """Leave patches of strong light out of a frame's foreground; resting things are none."""
    mask = without_things(compared.mask, resting)
    glare = [patch.mask for patch in things(mask) if _is_glare(patch, compared)]
    if not glare:
        return compared
    kept = np.where(np.maximum.reduce(glare) > 0, 0, compared.mask)
    return replace(compared, mask=np.asarray(kept, np.uint8))


def _is_glare(patch: Thing, compared: Comparison) -> bool:
    """Whether a patch is lighter than the background, and has no edge."""
    now, before = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        for picture in (compared.now, compared.background)
    )
    lighter = now - before
    darker = cv2.subtract(compared.background, compared.now).max(axis=2)
    if (darker[patch.mask > 0] < WEAK).mean() < LIGHTER:  # light darkens no colour
        return False
    if (lighter[patch.mask > 0] > 0).mean() < LIGHTER:
        return False
    filled = cv2.morphologyEx(patch.mask, cv2.MORPH_CLOSE, GAPS)
    smooth = cv2.blur(lighter, REGION)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, x, y, scale=1 / 8) for x, y in ((1, 0), (0, 1)))
    steep = np.percentile(cv2.magnitude(across, down)[cv2.dilate(filled, EDGE) > 0], STEEP)
    return bool(np.percentile(lighter[filled > 0], STEEP) >= SOFT * steep)
