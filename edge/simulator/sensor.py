"""What a camera adds to the picture: noise, a trembling mount, jumps of exposure and codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.sighting import Image

NOISE = 2.2  # grey levels, deviation
KEY_FRAME_S = 1.3  # between two key frames of the codec
JPEG_QUALITY = 88
KEY_QUALITIES = (18, 42)  # JPEG's quality that looks like a key frame of a low bit rate
SWAY_S = 3.1  # seconds of one swing of a camera that is carried


@dataclass(frozen=True)
class CameraFaults:
    """What is wrong with a camera beside its noise.

    Attributes:
        tremble: By how much the picture moves from frame to frame, in pixels of 640.
        sway: How far a carried camera swings each way, in pixels of 640.
        bursts: Whether every key frame of the codec, and each step of the exposure, changes all
            of the picture a little.
    """

    tremble: float = 0.0
    sway: float = 0.0
    bursts: bool = False


class Sensor:
    """Turns pictures into frames; each depends on (seed, index) alone.

    Args:
        seed: Chooses everything.
        size: Width and height in pixels.
        fps: Frames a second.
        faults: What is wrong with the camera.
    """

    def __init__(self, seed: int, size: tuple[int, int], fps: float, faults: CameraFaults) -> None:
        self._seed, self._size, self._fps, self._faults = seed, size, fps, faults
        random = np.random.default_rng([seed, 21])
        random.uniform(size=8)  # these belong to the play's drift
        random.random()
        width, height = size
        grain = random.standard_normal((height + 64, width + 64, 3), np.float32)
        self._grain = cv2.GaussianBlur(grain, (0, 0), 0.55) * np.float32(1.6 * NOISE)

    def sensed(self, image: NDArray[Any], index: int) -> Image:
        """Frame `index` of a picture (h, w, 3), as the camera sends it."""
        seen = self._moved(image, index)
        quality, grain_of = JPEG_QUALITY, index
        if self._faults.bursts:
            group = int(index / self._fps / KEY_FRAME_S)
            random = np.random.default_rng([self._seed, group, 26])
            # The tone curve changes, too: one gain does not explain it.
            tone, gain = float(random.uniform(0.96, 1.04)), float(random.uniform(0.97, 1.03))
            seen = 255 * gain * (np.clip(seen, 0, 255) / np.float32(255)) ** np.float32(tone)
            quality, grain_of = int(random.integers(*KEY_QUALITIES)), group
        random = np.random.default_rng([self._seed, grain_of, 22])
        width, height = self._size
        x, y = (int(shift) for shift in random.integers(0, 64, 2))
        grain = self._grain[y : y + height, x : x + width]
        noisy = seen.astype(np.float32) * np.float32(1 + 0.004 * random.standard_normal()) + grain
        packed = cv2.imencode(
            ".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1]
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)

    def shift(self, index: int) -> tuple[float, float]:
        """By how many pixels the picture of frame `index` is moved, (x, y)."""
        tremble, sway = self._faults.tremble, self._faults.sway
        if not tremble and not sway:
            return 0.0, 0.0
        scale = self._size[0] / 640
        # Two independent places are 1.77 deviations apart on average.
        x, y = np.random.default_rng([self._seed, index, 27]).normal(0, tremble / 1.77, 2)
        swing = 2 * np.pi * index / self._fps / SWAY_S
        x, y = x + sway * np.sin(swing), y + 0.4 * sway * np.sin(1.7 * swing)
        return float(x * scale), float(y * scale)

    def _moved(self, image: NDArray[Any], index: int) -> NDArray[Any]:
        x, y = self.shift(index)
        if (x, y) == (0.0, 0.0):
            return image
        move = np.array([[1, 0, x], [0, 1, y]], np.float32)
        return np.asarray(
            cv2.warpAffine(image, move, self._size, borderMode=cv2.BORDER_REFLECT), image.dtype
        )
