"""Geometric verification: count the matches of two pictures that agree on one movement.

Two local features match where each is the other's nearest and clearly nearer than the second
nearest (Lowe 2004). The sizes and angles of their features tell for each match how the printed
surface would have been moved, scaled and turned; its inliers are the matches that this movement
carries to their places. Every match is tried, so nothing is left to chance as with RANSAC. On
these small pictures MAGSAC's homographies found fewer of the right photos and took twenty times
as long.
"""

from __future__ import annotations

import numpy as np

from catalog.recognition.local_features.extract import OCTAVE, TURN, LocalFeatures

RATIO = 0.92  # of the nearest to the second nearest; bent and blurred things need a lenient one
TOLERANCE = 0.08  # of the side of the small picture; how far from its place an inlier may lie
SIDE = 192.0
OCTAVES = 1.0  # how far two inliers may differ in scale
DEGREES = 40.0  # how far two inliers may differ in angle
MOST_OCTAVES = 3.0  # a thing eight times as large or small is not what was photographed


def count_inliers(query: LocalFeatures, photo: LocalFeatures) -> int:
    """Return the largest number of matches of a query and a photo that agree on one movement."""
    if len(query) < 2 or len(photo) < 2:
        return 0
    similarities = query.vectors @ photo.vectors.T
    nearest = similarities.argmax(1)
    rows = np.arange(len(query))
    first = similarities[rows, nearest]
    similarities[rows, nearest] = -1
    # Of vectors of length 1: their squared distance is 2 - 2 cos.
    clear = np.flatnonzero((1 - first) < RATIO**2 * (1 - similarities.max(1)))
    similarities[rows, nearest] = first
    mutual = similarities[:, nearest[clear]].argmax(0) == clear
    matches = clear[mutual]
    if len(matches) < 2:
        return len(matches)
    seen = query.places[matches].astype(np.float32)
    stored = photo.places[nearest[matches]].astype(np.float32)
    octaves = (seen[:, 2] - stored[:, 2]) / OCTAVE
    turns = np.deg2rad((seen[:, 3] - stored[:, 3]) / TURN)
    plausible = np.abs(octaves) <= MOST_OCTAVES
    movement = np.exp2(octaves) * np.exp(1j * turns)
    target, source = seen[:, 0] + 1j * seen[:, 1], stored[:, 0] + 1j * stored[:, 1]
    offsets = source[None] - source[:, None]
    error = np.abs(target[:, None] + movement[:, None] * offsets - target[None])
    inliers = (
        (error <= TOLERANCE * SIDE)
        & (np.abs(octaves[:, None] - octaves[None]) <= OCTAVES)
        & (np.cos(turns[:, None] - turns[None]) >= np.cos(np.deg2rad(DEGREES)))
        & plausible[:, None]
    )
    return int(inliers.sum(1).max())
