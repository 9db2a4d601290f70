"""Choose a few sharp, different views of a thing that a person turns before the camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.networks.finder import FindThings, find_things
from edge.sighting import Frame, Image
from edge.vision.fixed_scene import FixedScene
from edge.vision.images import on_light_background, sharpness

HOLD_S = 0.6  # at rest for so long: time for the camera to focus, and for the hand
# Grey levels, the mean of the most changed twentieth of a small copy. Noise gives 1, a printed
# thing that moves by one pixel of 640 about 7; a hand that holds something still stays below 40.
MOST_MOTION = 40.0
# 1 - correlation of two views. The same view elsewhere, nearer or brighter gives up to 0.02,
# a flat package turned sideways by 30 degrees about 0.05, by 45 about 0.09.
LEAST_DIFFERENCE = 0.06
LEAST_SHARPNESS = 0.4  # of the sharpest view so far
BLURRED_FACTOR = 0.6  # lowers the sharpest view's mark after each blurred one: sides may be plain

ThingCutter = Callable[[Image], Image | None]  # cuts the thing out; None where there is none


def choose_views(
    frames: Iterable[Frame],
    count: int = 5,
    cutter: ThingCutter | None = None,
    hold_s: float = HOLD_S,
    least_difference: float = LEAST_DIFFERENCE,
) -> Iterator[Frame]:
    """Choose the views that are worth a photo, as they come.

    A view is chosen when nothing moves, when it is about as sharp as the sharpest view so far,
    and when it differs from all views that were chosen before.

    Args:
        frames: BGR frames in the order of their time.
        count: How many to choose at most.
        cutter: Cuts the thing out; the chosen frames hold this part. None for the whole picture.
        hold_s: Seconds at rest before a view is taken; the sharpest frame of these is.
        least_difference: 1 - correlation to every chosen view, 0 to 2.
    """
    signatures: list[NDArray[np.float32]] = []
    sharpest = 0.0
    for frame in resting_frames(frames, hold_s, MOST_MOTION, cutter) if count > 0 else ():
        own = signature(frame.image)
        if any(float(1 - own @ other) < least_difference for other in signatures):
            continue
        sharp = sharpness(frame.image)
        if sharp < sharpest * LEAST_SHARPNESS:
            sharpest *= BLURRED_FACTOR
            continue
        sharpest = max(sharpest, sharp)
        signatures.append(own)
        yield frame
        if len(signatures) == count:
            return


def thing_cutter(empty: Image) -> ThingCutter:
    """Make a function that cuts out what differs from the empty scene, as the recognizer does."""
    scene = FixedScene()
    scene.learn(empty)

    def cutter(image: Image) -> Image | None:
        state = scene.update(image)
        if state.empty:
            return None
        part = state.box.cut(image).copy()
        return part if state.alpha is None else on_light_background(part, state.alpha)

    return cutter


def found_thing_cutter(find: FindThings = find_things) -> ThingCutter:
    """Make a function that cuts out the thing that is found in a picture without an empty scene.

    Where no thing is sure, the picture stays whole.

    Args:
        find: Finds the things in a picture, BGR uint8 (h, w, 3).
    """

    def cutter(image: Image) -> Image | None:
        part = find(image).part
        return image if part is None else part.cut(image).copy()

    return cutter


def resting_frames(
    frames: Iterable[Frame], hold_s: float, most_motion: float, cutter: ThingCutter | None = None
) -> Iterator[Frame]:
    """The sharpest frame of each `hold_s` seconds in which nothing moved.

    Args:
        frames: BGR frames in the order of their time.
        hold_s: Seconds.
        most_motion: Grey levels by which two frames at rest may differ.
        cutter: Cuts the thing out; the frames that come hold this part, and frames without a
            thing count as motion. None for the whole picture.
    """
    window: deque[tuple[float, NDArray[np.float32]]] = deque()
    best: tuple[float, Frame] | None = None
    for frame in frames:
        part = frame.image if cutter is None else cutter(frame.image)
        grey = _small_grey(frame.image)
        if window and (
            part is None or max(_motion(grey, other) for _, other in window) > most_motion
        ):
            window.clear()
            best = None
        if part is None:
            continue
        window.append((frame.at, grey))
        sharp = sharpness(part)
        if best is None or sharp > best[0]:
            best = sharp, replace(frame, image=part)
        if frame.at - window[0][0] >= hold_s:
            window.clear()
            found, best = best[1], None
            yield found


def _small_grey(image: Image) -> NDArray[np.float32]:
    small = cv2.resize(image, (40, 30), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _motion(grey: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean grey levels of the most changed twentieth, so that small things count as well."""
    difference = np.abs(grey - other).ravel()
    most = max(1, difference.size // 20)
    return float(np.partition(difference, -most)[-most:].mean())


def signature(image: Image) -> NDArray[np.float32]:
    """A small copy in colour as a vector of norm 1 and mean 0, whatever the light."""
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    vector = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32).ravel()
    vector -= vector.mean()
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1.0))
