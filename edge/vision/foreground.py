"""Which pixels of a frame are not the empty counter's, and the things they make.

The counter is compared in the light that the frame has: a brighter lamp or another white
balance is no thing, and neither is a soft shadow, which comes and goes without changing the
colour. A thing of the counter's own colour still has an outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Box, Image

WIDTH = 320  # pixels; things are looked for at this scale
SAMPLE = 6  # every 6th pixel each way tells the light
STEPS_AN_OCTAVE = 24  # of brightness, about 3 per cent each
SURE = 22.0  # grey levels from the counter, beyond noise
FAINT = 10.0  # grey levels; belongs to a thing where it touches what is sure
SHADE, GLEAM = 0.45, 1.8  # of the counter's brightness, where a shadow falls or has gone
TINT = 11.0  # grey levels of colour that a shadow may change
BLINDING, BLINDED = 250, 3.0  # grey level of a full channel; times as much tint beyond it
SHADOW_EDGE = 0.055  # change of brightness from pixel to pixel; a soft shadow's is smaller
LEAST_AREA = 0.004  # of the frame; below it nothing is there
WHOLE = 0.85  # of the frame; a box beyond it is no thing's
MOST = 0.6  # of the frame's pixels; so many are no thing's
SCATTERED = 10  # patches all over the frame: the camera was moved
LONGEST_SHIFT = 48.0  # small pixels that a bumped camera's picture moves
NEAR = 0.10  # of a patch's size: parts so close are one thing
SMALL_PART, NEAR_PART = 0.35, 0.28  # the same for a part that small beside the patch

Small = NDArray[np.uint8]  # (height, WIDTH, 3), BGR
Mask = NDArray[np.uint8]  # (height, WIDTH), 0 or 1


@dataclass(frozen=True, eq=False)
class Thing:
    """Connected difference from the counter: its close box and its pixels, at small scale."""

    box: Box
    mask: Mask
    area: int


def small(image: Image) -> Small:
    """A frame (h, w, 3) at the small scale, a little smoothed."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    shrunk = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(shrunk, (3, 3), 0), np.uint8)


def gain(ground: NDArray[Any], now: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much lighter each channel (3,) of `now` is than that of `ground`, both (h, w, 3).

    The lamp's colour is what most pixels agree on. Its brightness is the commonest one, not the
    middle one: where half of the counter lies in a shadow, that is nobody's.
    """
    step = SAMPLE * now.shape[1] // WIDTH or 1
    before, after = (_channels(one[::step, ::step]) for one in (ground, now))
    brightness = after.sum(0) / before.sum(0)
    colour = np.median(after / before / brightness, axis=1)
    found = colour * _commonest(brightness)
    # Sharper: again from the pixels that agree with the first guess.
    agrees = (np.abs(after - before * found[:, None]) < FAINT).all(0)
    if agrees.sum() > 20:
        found = np.median(after[:, agrees] / before[:, agrees], axis=1)
    return np.asarray(np.where(np.abs(found - 1) < 0.004, 1.0, found), np.float32)


def _channels(picture: NDArray[Any]) -> NDArray[np.float32]:
    """The pixels of a picture (h, w, 3), channel after channel (3, h * w), none 0."""
    return np.ascontiguousarray(picture.reshape(-1, 3).T, np.float32) + 1


def most(picture: NDArray[Any]) -> NDArray[Any]:
    """The largest of each pixel's channels (h, w); many times as fast as numpy's own."""
    blue, green, red = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(blue, green), red))


def _commonest(ratios: NDArray[np.float32]) -> float:
    """The ratio that most come near to."""
    steps = np.clip(np.log2(ratios) * STEPS_AN_OCTAVE + 4 * STEPS_AN_OCTAVE, 0, 8 * STEPS_AN_OCTAVE)
    counts = np.bincount(np.rint(steps).astype(np.int64), minlength=8 * STEPS_AN_OCTAVE + 1)
    near = np.convolve(counts, (1, 2, 3, 2, 1), "same")
    return float(2 ** (int(near.argmax()) / STEPS_AN_OCTAVE - 4))


def in_light_of(ground: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`ground` as the light of `now` would show it; both (h, w, 3)."""
    return np.asarray(cv2.multiply(ground, np.array((*gain(ground, now), 0.0))), np.uint8)


def difference(now: NDArray[np.uint8], ground: NDArray[np.uint8]) -> Mask:
    """Largest channel's difference (h, w) from the counter in the same light."""
    return most(cv2.absdiff(now, in_light_of(ground, now)))


def foreground(now: Small, lit: Small, blinding: NDArray[np.bool_]) -> Mask:
    """The pixels that belong to things, without their shadows.

    Args:
        now: The frame.
        lit: The counter in its light.
        blinding: Where the counter was too bright for the camera when it was seen (h, w).
    """
    apart = most(cv2.absdiff(now, lit))
    faint = apart > FAINT
    if not faint.any():
        return np.zeros(apart.shape, np.uint8)
    shadow = _relit(now, lit, blinding)
    sure = ((apart > SURE) & ~shadow).astype(np.uint8)
    sure = np.asarray(cv2.morphologyEx(sure, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    faint &= ~shadow
    _, labels = cv2.connectedComponents(faint.astype(np.uint8))
    kept = np.zeros(int(labels.max()) + 1, np.uint8)
    kept[labels[sure > 0]] = 1
    kept[0] = 0
    grown = kept[labels] | sure
    return np.asarray(cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), np.uint8)


def is_blinding(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a channel is full: nobody knows how bright it is there, nor of what colour."""
    return np.asarray(most(picture) >= BLINDING)


def _relit(now: Small, lit: Small, blinding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Darker or lighter, of the same colour, and without an edge."""
    before = cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY).astype(np.float32) + 1
    after = cv2.cvtColor(now, cv2.COLOR_BGR2GRAY).astype(np.float32) + 1
    ratio = after / before
    tint = most(np.abs(now - lit * ratio[..., None]))
    tint /= np.where(blinding, np.float32(BLINDED), np.float32(1))
    soft = cv2.GaussianBlur(ratio, (5, 5), 0)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    edge = (cv2.magnitude(across, down) > SHADOW_EDGE).astype(np.uint8)
    near_edge = cv2.dilate(edge, np.ones((5, 5), np.uint8)) > 0
    return np.asarray((ratio > SHADE) & (ratio < GLEAM) & (tint < TINT) & ~near_edge)


def things(mask: Mask) -> list[Thing]:
    """What a mask holds, the largest first; parts that lie close together are one thing."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    least = LEAST_AREA * mask.size
    parts = sorted(
        (number for number in range(1, count) if stats[number, 4] >= least / 4),
        key=lambda number: -stats[number, 4],
    )
    groups: list[list[int]] = []
    for number in parts:
        home = next((group for group in groups if _near(stats[group], stats[number])), None)
        if home is None:
            groups.append([number])
        else:
            home.append(number)
    found = []
    for group in groups:
        area = int(stats[group, 4].sum())
        if area < least:
            continue
        x0, y0 = stats[group, 0].min(), stats[group, 1].min()
        x1 = (stats[group, 0] + stats[group, 2]).max()
        y1 = (stats[group, 1] + stats[group, 3]).max()
        box = Box(int(x0), int(y0), int(x1 - x0), int(y1 - y0))
        found.append(Thing(box, np.isin(labels, group).astype(np.uint8), area))
    return sorted(found, key=lambda one: -one.box.width * one.box.height)


def _near(group: NDArray[Any], part: NDArray[Any]) -> bool:
    """Whether a part's box comes near that of a group."""
    x0, y0 = group[:, 0].min(), group[:, 1].min()
    x1, y1 = (group[:, 0] + group[:, 2]).max(), (group[:, 1] + group[:, 3]).max()
    share = NEAR_PART if part[4] < SMALL_PART * group[:, 4].sum() else NEAR
    reach = share * max(x1 - x0, y1 - y0)
    x, y, width, height = part[:4]
    return bool(
        x < x1 + reach and x + width > x0 - reach and y < y1 + reach and y + height > y0 - reach
    )


def is_strange(mask: Mask, patches: list[Thing]) -> bool:
    """Whether the whole picture is another, not only a thing in it."""
    if not patches:
        return False
    box = patches[0].box
    if box.width * box.height > WHOLE * mask.size or mask.mean() > MOST:
        return True
    _, _, width, height = cv2.boundingRect(mask)
    return len(patches) >= SCATTERED and width * height > WHOLE * mask.size


def shifted_to(ground: Small, now: Small) -> Small | None:
    """The background as a bumped camera would show it; None when it was not moved."""
    before, after = (
        cv2.cvtColor(one, cv2.COLOR_BGR2GRAY).astype(np.float32)
        for one in (in_light_of(ground, now), now)
    )
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(before, after, window)
    if max(abs(x), abs(y)) < 0.5 or max(abs(x), abs(y)) > LONGEST_SHIFT:
        return None
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (now.shape[1], now.shape[0])
    moved = cv2.warpAffine(ground, move, size, borderMode=cv2.BORDER_REPLICATE)
    unseen = cv2.warpAffine(np.ones(now.shape[:2], np.uint8), move, size) == 0
    moved[unseen] = now[unseen]
    return np.asarray(moved, np.uint8)


def outline(picture: Small, one: Thing) -> float:
    """Mean strength of a picture's edges along a thing's border, in grey levels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    edges = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    ring = cv2.morphologyEx(one.mask, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    return float(np.mean(edges, where=ring > 0)) if ring.any() else 0.0


def shape_in(thing: Thing, square: Box, scale: float) -> NDArray[np.float32]:
    """The thing's filled shape inside `square`, soft at its edge."""
    shape = np.asarray(cv2.morphologyEx(thing.mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)))
    outlines, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shape, outlines, -1, (1,), cv2.FILLED)
    shape = np.asarray(cv2.dilate(shape, np.ones((3, 3), np.uint8)), np.uint8)
    soft = np.clip((cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0) - 0.3) * 2.5, 0, 1)
    top, left = round(square.y / scale), round(square.x / scale)
    bottom = round((square.y + square.height) / scale)
    right = round((square.x + square.width) / scale)
    return np.asarray(soft[top : max(bottom, top + 1), left : max(right, left + 1)], np.float32)
