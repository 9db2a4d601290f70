"""Find the things that lie before the background, and measure them.

The background is compared in the light that the frame has, so that a brighter lamp or another
white balance is not taken for a thing. Soft shadows are left out as well: they change the
brightness without changing the colour, and they have no sharp edge. A thing of the background's
own colour still has an outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box
from edge.vision.illumination import WEAK, Mask, WorkingImage, channel_max, is_saturated

STRONG = 22.0  # grey levels; so large a difference is surely no noise
DARKEST_SHADOW, BRIGHTEST_GLARE = 0.45, 1.8  # of the background's brightness
TINT = 11.0  # grey levels of colour that a shadow may change
SATURATED_TINT = 3.0  # times as much where the background was saturated
SHADOW_EDGE = 0.055  # change of brightness from pixel to pixel; a soft shadow's is smaller
LEAST_AREA = 0.004  # of the frame; smaller patches are no things
WHOLE_FRAME = 0.85  # of the frame; a larger box is not that of a thing
MOST_FOREGROUND = 0.6  # of the frame's pixels; more of them are no thing
SCATTERED = 10  # patches all over the frame: the camera was moved
TEXTURE_REGION = (13, 13)  # pixels; coarser structure may be the light's own
PLAIN = 2.5  # grey levels; a surface with a smaller deviation has no texture
MARGIN_OF_PART = 12  # pixels
STRIP = 8  # pixels along the border; what is not deeper is no thing
LONG_STRIP, TIMES_AS_LONG = 16, 2.5  # pixels; so deep a strip may be, if it runs along the border
FEW_BESIDE = 0.002  # of the frame's pixels beside the largest patch; fewer are chance
THIN, THIN_SHARE = 14, 0.4  # pixels and share of the box; a thinner patch may be an outline
RIM = 2  # pixels; what comes so near to the frame's border touches it
DEEP = 12  # pixels; so far from the border a thing may be whose shadow touches it
NEAR_BORDER = 0.5  # of a shadow's pixels at the border; its thing is near that many
LEAST_CONTACT = 5  # pixels on the frame's border; fewer touch it by chance
NEAR = 0.04  # of the largest part's longer side; parts that are this close are one thing
SMALL_PART, NEAR_SMALL_PART = 0.2, 0.28  # a part of less than its area may be this far away


@dataclass(frozen=True, eq=False)
class Thing:
    """One connected patch of foreground at the working scale.

    Attributes:
        box: Its bounding box, without margin.
        mask: Its pixels, uint8 (h, w), 0 or 1, as large as the whole frame.
        area: How many pixels it has.
    """

    box: Box
    mask: Mask
    area: int


def foreground(
    now: WorkingImage, background: WorkingImage, apart: Mask, saturated: NDArray[np.bool_]
) -> Mask:
    """Find the pixels that belong to things, without their shadows.

    Strong differences count, and weak ones that are connected with a strong one.

    Args:
        now: The frame.
        background: The background in the frame's light.
        apart: By how many grey levels the two differ (h, w).
        saturated: Where the background was saturated when it was learned (h, w).
    """
    mask = np.zeros(now.shape[:2], np.uint8)
    strong = _opened(apart > STRONG)
    if not strong.any():
        return mask
    # Only where there may be a thing the frame is examined closely.
    part = _around(_connected((apart > WEAK).astype(np.uint8), strong))
    apart, now, background = apart[part], now[part], background[part]
    relit = _shadow_or_glare(now, background, saturated[part] | is_saturated(now))
    strong = _opened((apart > STRONG) & ~relit)
    connected = _connected(((apart > WEAK) & ~relit).astype(np.uint8), strong) | strong
    mask[part] = _closed(connected)
    return mask


def _closed(mask: Mask) -> Mask:
    """A mask with its gaps filled; what is near the border does not grow onto it."""
    padded = cv2.copyMakeBorder(mask, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(closed[4:-4, 4:-4], np.uint8)


def _opened(strong: NDArray[np.bool_]) -> Mask:
    """The pixels that differ strongly, without single ones."""
    return np.asarray(
        cv2.morphologyEx(strong.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)),
        np.uint8,
    )


def _connected(weak: Mask, strong: Mask) -> Mask:
    """The patches of `weak` that hold a pixel of `strong`."""
    _, labels = cv2.connectedComponents(weak)
    has_strong = np.zeros(int(labels.max()) + 1, np.uint8)
    has_strong[labels[strong > 0]] = 1
    has_strong[0] = 0
    return np.asarray(has_strong[labels], np.uint8)


def _around(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns that hold a mask, with a margin in which edges are looked for."""
    x, y, width, height = cv2.boundingRect(mask)
    return (
        slice(max(0, y - MARGIN_OF_PART), y + height + MARGIN_OF_PART),
        slice(max(0, x - MARGIN_OF_PART), x + width + MARGIN_OF_PART),
    )


def without_strips(mask: Mask) -> Mask:
    """Take away strips along the frame's border: exposure and a rolling shutter make them.

    What reaches further into the frame stays.
    """
    kept = mask.copy()
    for side in (kept, kept[::-1], kept.swapaxes(0, 1), kept.swapaxes(0, 1)[::-1]):
        deeper = side[STRIP : STRIP + 2].max(0)[None]
        np.minimum(side[:STRIP], cv2.dilate(deeper, np.ones((1, 5), np.uint8)), out=side[:STRIP])
        if side[:LONG_STRIP].any():
            _take_long_strips_away(side)
    return kept


def _take_long_strips_away(side: Mask) -> None:
    """Take away patches along the upper border of a mask that are much longer than deep."""
    near = np.ascontiguousarray(side[: LONG_STRIP + 1])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    for number in range(1, count):
        _, top, width, height, _ = stats[number]
        if top + height <= LONG_STRIP and width >= TIMES_AS_LONG * (top + height):
            side[: LONG_STRIP + 1][labels == number] = 0


def _shadow_or_glare(
    now: WorkingImage, background: WorkingImage, saturated: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the pixels that are darker or lighter, of the same colour, and not near an edge."""
    ratio, tint = _relit(now, background)
    tint /= np.where(saturated, np.float32(SATURATED_TINT), np.float32(1))
    soft = cv2.GaussianBlur(ratio, (5, 5), 0)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    edge = (cv2.magnitude(across, down) > SHADOW_EDGE).astype(np.uint8)
    near_edge = cv2.dilate(edge, np.ones((5, 5), np.uint8)) > 0
    relit = (ratio > DARKEST_SHADOW) & (ratio < BRIGHTEST_GLARE) & (tint < TINT) & ~near_edge
    return np.asarray(relit)


def _relit(
    now: WorkingImage, background: WorkingImage
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of each pixel (h, w): its share of the background's brightness, and how much it is tinted."""
    before = cv2.cvtColor(background, cv2.COLOR_BGR2GRAY).astype(np.float32) + 1
    after = cv2.cvtColor(now, cv2.COLOR_BGR2GRAY).astype(np.float32) + 1
    ratio = after / before
    return ratio, channel_max(np.abs(now - background * ratio[..., None]))


def things(mask: Mask) -> list[Thing]:
    """Group a mask into things, the largest box first; parts that are close are one thing."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    least = LEAST_AREA * mask.size
    parts = sorted(
        (number for number in range(1, count) if stats[number, 4] >= least / 4),
        key=lambda number: -stats[number, 4],
    )
    groups: list[list[int]] = []
    for number in parts:
        near = next((group for group in groups if _is_near(stats[group], stats[number])), None)
        if near is None:
            groups.append([number])
        else:
            near.append(number)
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
    return sorted(found, key=lambda thing: -thing.box.width * thing.box.height)


def _is_near(group: NDArray[Any], part: NDArray[Any]) -> bool:
    """Whether a part's box comes near one of a group.

    Args:
        group: OpenCV's statistics of the group's parts (n, 5): x, y, width, height, area.
        part: The same of the part (5,).
    """
    largest = group[int(np.argmax(group[:, 4]))]
    share = NEAR_SMALL_PART if part[4] < SMALL_PART * largest[4] else NEAR
    reach = share * max(largest[2:4])
    x, y, width, height = part[:4]
    left, top = group[:, 0], group[:, 1]
    right, bottom = left + group[:, 2], top + group[:, 3]
    near = (x < right + reach) & (x + width > left - reach)
    near &= (y < bottom + reach) & (y + height > top - reach)
    return bool(near.any())


def is_scene_change(mask: Mask, patches: list[Thing]) -> bool:
    """Whether the whole scene is another one, not only a thing in it."""
    if not patches:
        return False
    box = patches[0].box
    if box.width * box.height > WHOLE_FRAME * mask.size or mask.mean() > MOST_FOREGROUND:
        return True
    _, _, width, height = cv2.boundingRect(mask)
    return len(patches) >= SCATTERED and width * height > WHOLE_FRAME * mask.size


def is_scattered(mask: Mask, patches: list[Thing]) -> bool:
    """Whether there is more than compact things: outlines, as where the camera was bumped."""
    if not patches:
        return False
    largest = max(patches, key=lambda patch: patch.area)
    box = largest.box
    beside = int(mask.sum()) - largest.area
    thin = min(box.width, box.height) < THIN or largest.area < THIN_SHARE * box.width * box.height
    return thin or beside > FEW_BESIDE * mask.size


def edge_strength(picture: WorkingImage, thing: Thing) -> float:
    """Mean strength of a picture's edges along a thing's border, in grey levels."""
    part = _around(thing.mask)
    grey = cv2.cvtColor(picture[part], cv2.COLOR_BGR2GRAY)
    edges = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    ring = cv2.morphologyEx(thing.mask[part], cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    return float(np.mean(edges, where=ring > 0)) if ring.any() else 0.0


def texture_agreement(picture: WorkingImage, other: WorkingImage, thing: Thing) -> float:
    """Correlation, -1 to 1, of two pictures' fine structure inside a patch; 0 where one is plain.

    A light changes the brightness of a surface, and leaves its texture.
    """
    box = thing.box
    part = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
    inside = thing.mask[part] > 0
    if not inside.any():
        return 0.0
    fine = []
    for image in (picture[part], other[part]):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
        structure = (grey - cv2.blur(grey, TEXTURE_REGION))[inside]
        fine.append(structure - structure.mean())
    before, after = (float(np.sqrt(np.square(structure).mean())) for structure in fine)
    if min(before, after) < PLAIN:
        return 0.0
    return float((fine[0] * fine[1]).mean() / (before * after))


def alpha_in(thing: Thing, square: Box, scale: float) -> NDArray[np.float32]:
    """The thing's filled shape inside a square, from 0 to 1 and soft at its edge.

    Args:
        thing: The thing, at the working scale.
        square: The part of the frame, in the frame's pixels.
        scale: The frame's pixels for each pixel of the working scale.

    Returns:
        float32 (h, w), the square at the working scale.
    """
    shape = np.asarray(cv2.morphologyEx(thing.mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8)))
    outlines, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(shape, outlines, -1, (1,), cv2.FILLED)
    shape = np.asarray(cv2.dilate(shape, np.ones((3, 3), np.uint8)), np.uint8)
    soft = np.clip((cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0) - 0.3) * 2.5, 0, 1)
    top, left = round(square.y / scale), round(square.x / scale)
    bottom = round((square.y + square.height) / scale)
    right = round((square.x + square.width) / scale)
    return np.asarray(soft[top : max(bottom, top + 1), left : max(right, left + 1)], np.float32)


def is_at_border(mask: Mask) -> bool:
    """Whether a mask reaches the frame's border, by more than chance."""
    edges = (mask[:RIM].max(0), mask[-RIM:].max(0), mask[:, :RIM].max(1), mask[:, -RIM:].max(1))
    return max(int(edge.sum()) for edge in edges) >= LEAST_CONTACT


def reaches_in(thing: Thing, now: WorkingImage, background: WorkingImage) -> bool:
    """Whether a thing crosses the frame's border, and not only its shadow does.

    Where a shadow alone reaches the border, the thing itself is not far from it.
    """
    for turn in (0, 1, 2, 3):  # each side in turn is the upper one
        inside = np.rot90(thing.mask, turn)[:DEEP] > 0
        touching = inside[:RIM].any(0)
        if np.count_nonzero(touching) < LEAST_CONTACT:
            continue
        ratio, tint = _relit(
            *(np.ascontiguousarray(np.rot90(picture, turn)[:DEEP]) for picture in (now, background))
        )
        itself = inside & ((ratio < DARKEST_SHADOW) | (ratio > BRIGHTEST_GLARE) | (tint > TINT))
        if np.count_nonzero(itself[:RIM].any(0)) >= LEAST_CONTACT:
            return True
        if (itself.any(0) & touching).sum() < NEAR_BORDER * touching.sum():
            return True
    return False
