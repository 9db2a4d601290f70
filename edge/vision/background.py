"""The background model: how the scene looks where no thing lies, as the light changes it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.box import Box
from edge.vision.foreground import (
    MOST_FOREGROUND,
    Thing,
    edge_strength,
    foreground,
    texture_agreement,
    without_strips,
)
from edge.vision.illumination import (
    WEAK,
    Mask,
    WorkingImage,
    channel_max,
    difference,
    gain,
    is_saturated,
    relight,
)

SHADOW = 0.15  # of the brightness that the light predicts; a larger deviation is a shadow
ADAPTATION = 0.2  # of the difference a second: how fast the model follows the light
LEAST_UNCHANGED = 0.5  # of the frame must be as before, or the light cannot be estimated
MOST_UNEXPLAINED = 0.38  # of the frame, after two lights: a thing and the edges of shadows
SHIFT_EXPLAINS = 0.85  # of the foreground may remain where a shift explains it
SAME_SCENE = 0.5  # correlation of the textures beside the things
SHINES_THROUGH = 0.8  # correlation of the textures; through glass it is smaller
LONGEST_SHIFT = 48.0  # pixels of the working scale that a bumped camera's picture moves


@dataclass(frozen=True, eq=False)
class Comparison:
    """A frame beside the background.

    Attributes:
        now: The frame, at the working scale.
        background: The background in the frame's light.
        apart: By how many grey levels the two differ (h, w).
        mask: The frame's pixels that are not the background's.
    """

    now: WorkingImage
    background: WorkingImage
    apart: Mask
    mask: Mask

    def is_different_scene(self) -> bool:
        """Whether neither one change of light, nor two side by side, explains the frame.

        Where the frame shows the background's own texture it is the same scene, in any light.
        """
        differs = self.apart > WEAK
        if np.count_nonzero(differs) <= MOST_FOREGROUND * differs.size:
            return False
        second_light = gain(self.background[differs][:, None], self.now[differs][:, None])
        unexplained = channel_max(np.abs(self.now - self.background * second_light)) > WEAK
        if (differs & unexplained).mean() <= MOST_UNEXPLAINED:
            return False
        height, width = self.mask.shape
        clear = (self.mask == 0).astype(np.uint8)
        beside = Thing(Box(0, 0, width, height), clear, int(clear.sum()))
        return texture_agreement(self.background, self.now, beside) < SAME_SCENE


class BackgroundModel:
    """Models the scene without things, at the working scale.

    Args:
        picture: The empty scene.
    """

    def __init__(self, picture: WorkingImage) -> None:
        self._background = picture.astype(np.float32)
        self._saturated = is_saturated(picture)

    @property
    def picture(self) -> WorkingImage:
        """The background as a picture."""
        return np.clip(self._background, 0, 255).astype(np.uint8)

    def compared(self, now: WorkingImage) -> Comparison:
        """Compare a frame with the background in the frame's light."""
        background = relight(self.picture, now)
        apart = channel_max(cv2.absdiff(now, background))
        mask = without_strips(foreground(now, background, apart, self._saturated))
        return Comparison(now, background, apart, mask)

    def shifted(self, now: WorkingImage, mask: Mask) -> BackgroundModel | None:
        """The model for a camera that was bumped; None where that does not explain the mask."""
        moved = _shifted_to(self.picture, now)
        if moved is None or _changed(now, moved) >= _changed(now, self.picture):
            return None
        model = BackgroundModel(moved)
        explains = model.compared(now).mask.sum() < SHIFT_EXPLAINS * mask.sum()
        return model if explains else None

    def shines_through(self, thing: Thing, now: WorkingImage) -> bool:
        """Whether a patch shows the background's own texture: it is light, and no thing."""
        return texture_agreement(self.picture, now, thing) > SHINES_THROUGH

    def was_learned_with(self, thing: Thing, now: WorkingImage) -> bool:
        """Whether a thing that is gone was learned as background.

        Then the background has edges along the patch's border, and the frame has none.
        """
        return edge_strength(self.picture, thing) > 2 * edge_strength(now, thing) + 4

    def replace(self, where: NDArray[np.bool_], now: WorkingImage) -> None:
        """Learn some pixels (h, w) anew from a frame, in the light that the model has."""
        self._background[where] = now[where] / gain(self._background, now)
        self._saturated[where] = is_saturated(now)[where]

    def follow(self, now: WorkingImage, seconds: float, *, empty: bool) -> None:
        """Follow the light, slowly, and only where nothing lies.

        Args:
            now: The frame.
            seconds: The time since the model last followed.
            empty: Whether no thing lies anywhere.
        """
        unchanged = difference(now, self.picture) < WEAK  # elsewhere a thing or a shadow may lie
        if unchanged.mean() < LEAST_UNCHANGED:
            return
        self._background *= gain(self._background, now)
        if empty:
            # In less light, what was saturated shows its colour; but not inside a shadow.
            saturated = is_saturated(now)
            lit = np.abs(now.sum(2) / (self._background.sum(2) + 1) - 1) < SHADOW
            revealed = self._saturated & ~saturated & lit
            self._background[revealed] = now[revealed]
            self._saturated = (self._saturated & ~revealed) | saturated
        step = ADAPTATION * seconds * unchanged[..., None]
        self._background += step * (now - self._background)


def _changed(now: WorkingImage, background: WorkingImage) -> int:
    """How many pixels differ, in the same light."""
    return int(np.count_nonzero(difference(now, background) > WEAK))


def _shifted_to(background: WorkingImage, now: WorkingImage) -> WorkingImage | None:
    """The background as a bumped camera would show it; None where it was not moved."""
    before, after = (
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        for picture in (relight(background, now), now)
    )
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(before, after, window)
    if max(abs(x), abs(y)) < 0.5 or max(abs(x), abs(y)) > LONGEST_SHIFT:
        return None
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (now.shape[1], now.shape[0])
    moved = cv2.warpAffine(background, move, size, borderMode=cv2.BORDER_REPLICATE)
    unseen = cv2.warpAffine(np.ones(now.shape[:2], np.uint8), move, size) == 0
    moved[unseen] = now[unseen]
    return np.asarray(moved, np.uint8)
