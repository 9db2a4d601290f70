"""Whether two pictures show the same print: features that agree on where it went.

Two features match where each is the other's nearest and clearly nearer than the next best
(Lowe 2004). Each match knows by its features' sizes and angles how the print would have been
moved, scaled and turned; the others that this carries to their places agree with it. Every
match is asked, so nothing is left to chance as it is with RANSAC, of which MAGSAC's
homographies found fewer of the right prints in these small pictures and took twenty times
as long.
"""

from __future__ import annotations

import numpy as np

from catalog.recognition.local_features.extract import OCTAVE, TURN, LocalFeatures

RATIO = 0.92  # nearest to next nearest; bent and blurred prints need a lenient one
NEAR = 0.08  # of the side of the small picture; how far from its place a match may lie
SIDE = 192.0
OCTAVES = 1.0  # how far two matches may differ in scale
DEGREES = 40.0  # and in turn
LARGEST = 3.0  # octaves; a print eight times as large or small is not what was photographed


def count_inliers(look: LocalFeatures, photo: LocalFeatures) -> int:
    """How many features of a look and a photo agree on one movement of one print."""
    if len(look) < 2 or len(photo) < 2:
        return 0
    similarities = look.vectors @ photo.vectors.T
    nearest = similarities.argmax(1)
    rows = np.arange(len(look))
    first = similarities[rows, nearest]
    similarities[rows, nearest] = -1
    # Of vectors of length 1: their squared distance is 2 - 2 cos.
    clear = np.flatnonzero((1 - first) < RATIO**2 * (1 - similarities.max(1)))
    similarities[rows, nearest] = first
    mutual = similarities[:, nearest[clear]].argmax(0) == clear
    kept = clear[mutual]
    if len(kept) < 2:
        return len(kept)
    seen, stored = look.places[kept].astype(np.float32), photo.places[nearest[kept]]
    stored = stored.astype(np.float32)
    octaves = (seen[:, 2] - stored[:, 2]) / OCTAVE
    turns = np.deg2rad((seen[:, 3] - stored[:, 3]) / TURN)
    plausible = np.abs(octaves) <= LARGEST
    move = np.exp2(octaves) * np.exp(1j * turns)
    at, was = seen[:, 0] + 1j * seen[:, 1], stored[:, 0] + 1j * stored[:, 1]
    error = np.abs(at[:, None] + move[:, None] * (was[None] - was[:, None]) - at[None])
    agree = (
        (error <= NEAR * SIDE)
        & (np.abs(octaves[:, None] - octaves[None]) <= OCTAVES)
        & (np.cos(turns[:, None] - turns[None]) >= np.cos(np.deg2rad(DEGREES)))
        & plausible[:, None]
    )
    return int(agree.sum(1).max())
