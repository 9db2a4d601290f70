"""Cut things out of photos whose background is plain."""

import cv2
import numpy as np
import numpy.typing as npt

from training.data import Image, resized

Mask = npt.NDArray[np.uint8]

LONGEST = 160  # pixels of a photo's longer side; at this size the thing is looked for
EDGE = 5  # pixels of the border by which the background is known
MOST_SPREAD = 9.0  # Lab units; a border that differs more from a smooth surface is not plain
LEAST_CONTRAST = 16.0  # Lab units by which a thing differs from the background
LEAST_AREA, MOST_AREA = 0.04, 0.75  # of the photo
MOST_AT_BORDER = 0.12  # of the photo's border that the thing may cover
LEAST_SOLID = 0.55  # of the thing's convex hull that the thing fills


def cut_out(photo: Image) -> Image | None:
    """Cut the one thing out of a photo (h, w, 3).

    Returns:
        (height, width, 4) uint8 RGBA of the photo's size; None where the background is not plain
        or nothing clear stands on it.
    """
    scale = min(1.0, LONGEST / max(photo.shape[:2]))
    small = resized(photo, round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    mask = _mask(small)
    if mask is None:
        return None
    large = cv2.resize(mask * 255, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.dstack([photo, _soft((large > 127).astype(np.uint8))])


def _mask(photo: Image) -> Mask | None:
    """Where the one thing is, (h, w) uint8, 0 or 1; None as for `cut_out`."""
    distance = _from_background(photo)
    if distance is None:
        return None
    sure = np.full(distance.shape, cv2.GC_PR_BGD, np.uint8)
    sure[distance > LEAST_CONTRAST] = cv2.GC_PR_FGD
    sure[distance < LEAST_CONTRAST / 4] = cv2.GC_BGD
    if not 0.02 < (sure == cv2.GC_PR_FGD).mean() < MOST_AREA:
        return None
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(photo, sure, (0, 0, 1, 1), *models, 1, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # too few pixels of one kind
        return None
    mask = _largest(np.isin(sure, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
    return mask if _plausible(mask) else None


def _from_background(photo: Image) -> npt.NDArray[np.float32] | None:
    """Lab distance of each pixel to a smooth surface through the border; None: not plain."""
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], 2)
    border = np.zeros((height, width), bool)
    border[:EDGE], border[-EDGE:], border[:, :EDGE], border[:, -EDGE:] = True, True, True, True
    keep = border.copy()
    for _ in range(3):  # without what lies across the border
        fitted, *_ = np.linalg.lstsq(terms[keep], lab[keep], rcond=None)
        away = np.linalg.norm(lab - terms @ fitted, axis=2).astype(np.float32)
        keep = border & (away < max(MOST_SPREAD, float(np.quantile(away[keep], 0.85))))
    return away if float(np.quantile(away[border], 0.8)) < MOST_SPREAD else None


def _largest(mask: Mask) -> Mask:
    """The largest part of a mask, its holes closed."""
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, (1,), -1)
    return filled


def _plausible(mask: Mask) -> bool:
    if not LEAST_AREA < mask.mean() < MOST_AREA:
        return False
    at_border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(outlines)))
    return bool(at_border < MOST_AT_BORDER and mask.sum() > LEAST_SOLID * hull)


def _soft(mask: Mask) -> Mask:
    """Opacity of a mask, soft by a pixel at its border, which the background shines through."""
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(inner * 255, (3, 3), 0), np.uint8)
