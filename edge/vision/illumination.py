"""Compare two pictures of one scene although the light has changed between them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Image

WORKING_WIDTH = 320  # pixels; things are looked for at this scale
SAMPLE = 6  # every 6th pixel in each direction is enough to estimate the light
STEPS_PER_OCTAVE = 24  # of brightness, about 3 per cent each
WEAK = 10.0  # grey levels; a smaller difference is noise
MOST_TINT = 0.12  # share by which a light may change one channel more than the others
SATURATED = 250  # grey level from which a channel counts as full

WorkingImage = NDArray[np.uint8]  # (height, WORKING_WIDTH, 3), BGR
Mask = NDArray[np.uint8]  # (height, WORKING_WIDTH), 0 or 1


def working_image(image: Image) -> WorkingImage:
    """Shrink a frame (h, w, 3) to the working scale and smooth it a little."""
    height = max(1, round(image.shape[0] * WORKING_WIDTH / image.shape[1]))
    shrunk = cv2.resize(image, (WORKING_WIDTH, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(shrunk, (3, 3), 0), np.uint8)


def gain(background: NDArray[Any], now: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Estimate how much lighter each channel (3,) of `now` is; both pictures are (h, w, 3).

    The lamp's colour is the median over the pixels. Its brightness is the commonest ratio, not
    the median: where half of the picture lies in a shadow, no pixel has the median ratio.
    """
    step = SAMPLE * now.shape[1] // WORKING_WIDTH or 1
    before, after = (_channels(picture[::step, ::step]) for picture in (background, now))
    brightness = after.sum(0) / before.sum(0)
    colour = np.median(after / before / brightness, axis=1)
    estimate = colour * _commonest(brightness)
    # Refine the estimate with the pixels that agree with it.
    agrees = (np.abs(after - before * estimate[:, None]) < WEAK).all(0)
    if agrees.sum() > 20:
        estimate = np.median(after[:, agrees] / before[:, agrees], axis=1)
    return np.asarray(np.where(np.abs(estimate - 1) < 0.004, 1.0, estimate), np.float32)


def relight(background: NDArray[np.uint8], now: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change the light of `background` to that of `now`; both are (h, w, 3)."""
    return relit(background, gain(background, now))


def relit(picture: NDArray[np.uint8], light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Multiply a picture (h, w, 3) by the factors of its channels (3,)."""
    return np.asarray(cv2.multiply(picture, np.array((*light, 0.0))), np.uint8)


def difference(now: NDArray[np.uint8], background: NDArray[np.uint8]) -> Mask:
    """The largest channel's difference (h, w), in grey levels, in the same light."""
    return channel_max(cv2.absdiff(now, relight(background, now)))


def channel_max(picture: NDArray[Any]) -> NDArray[Any]:
    """The largest channel of each pixel (h, w); many times as fast as numpy's own maximum."""
    blue, green, red = cv2.split(picture)
    return np.asarray(cv2.max(cv2.max(blue, green), red))


def is_saturated(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels (h, w) have a full channel, so that their true colour is not known."""
    return np.asarray(channel_max(picture) >= SATURATED)


def _channels(picture: NDArray[Any]) -> NDArray[np.float32]:
    """The channels of a picture (h, w, 3) as rows (3, h * w), raised by 1 to avoid zeros."""
    return np.ascontiguousarray(picture.reshape(-1, 3).T, np.float32) + 1


def _commonest(ratios: NDArray[np.float32]) -> float:
    """The mode of some ratios, found in a smoothed histogram of their logarithms."""
    middle, last = 4 * STEPS_PER_OCTAVE, 8 * STEPS_PER_OCTAVE  # four octaves each way
    steps = np.clip(np.log2(ratios) * STEPS_PER_OCTAVE + middle, 0, last)
    counts = np.bincount(np.rint(steps).astype(np.int64), minlength=last + 1)
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), "same")
    return float(2 ** (int(smooth.argmax()) / STEPS_PER_OCTAVE - 4))
