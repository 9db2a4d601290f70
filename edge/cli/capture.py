"""Own photos of a thing by the device's camera: a few sharp, different views while it is turned."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core import durable
from catalog.core.errors import ContentError, SurroundingsError
from edge.cameras.base import CameraSettings, as_image
from edge.cameras.reader import CameraReader
from edge.errors import CameraError
from edge.sighting import Frame, Image
from edge.vision.images import crop, on_light_ground, sharpness
from edge.vision.scene import Scene

EMPTY_S = 2.0  # at rest for so long: the scene is cleared
HOLD_S = 0.6  # at rest for so long: time for the focus, and for the hand
# Grey levels, the mean of the most changed twentieth of a small copy. Noise gives 1, a printed
# thing that moves by one pixel of 640 about 7: a hand that holds something still stays below 40.
MOST_MOTION = 40.0
MOST_MOTION_EMPTY = 12.0
# 1 - correlation of two views. The same view elsewhere, nearer or brighter gives up to 0.02,
# a flat package turned sideways by 30 degrees about 0.05, by 45 about 0.09.
LEAST_DIFFERENCE = 0.06
LEAST_SHARPNESS = 0.4  # of the sharpest view so far
FORGIVENESS = 0.6  # what each view that is too blurred takes from that: plain sides are plain
JPEG_QUALITY = 93
LONGEST_SKU = 100  # characters

Look = Callable[[Image], Image | None]  # the part with the thing; None when there is none


@dataclass(frozen=True)
class CaptureProgress:
    """What the person before the camera should know: what to do now, and how far it is.

    `stage` is "clear" (take everything away), "show" (hold the thing before the camera),
    "turn" (turn it to another side) or "done".
    """

    stage: Literal["clear", "show", "turn", "done"]
    kept: int
    wanted: int


def capture(
    camera_source: str,
    settings: CameraSettings,
    photos: Path,
    sku: str,
    title: str,
    count: int = 5,
    timeout_s: float = 60.0,
    on_progress: Callable[[CaptureProgress], None] = lambda progress: None,
) -> list[Path]:
    """Photograph a thing from several sides into the folder ``photos/sku``.

    First the scene is looked at empty, so that the photos show the thing alone; a folder of
    pictures has no empty scene and its pictures are taken whole. Each photo is on the disk
    before the next one is looked for.

    Args:
        camera_source, settings: The camera, as for `open_camera`.
        photos: The folder that the catalogue is built from.
        sku, title: The item; an empty title leaves the item's title as it is.
        count: How many views are wanted.
        timeout_s: Seconds for each: the first picture, the empty scene, all the views.
        on_progress: Called when the person should do something else; may wait for a key.

    Returns:
        The files written, at least one, possibly fewer than `count`.

    Raises:
        ContentError: The sku is no good name for a folder, the title or its file no text.
        CameraError: The camera failed, or showed nothing that could be photographed.
        SurroundingsError: The folder cannot be written.
    """
    _check_sku(sku)
    try:
        _titled(photos / sku / "item.json", title)  # before anybody poses
    except OSError as error:
        raise SurroundingsError(f"{photos / sku}: cannot be read: {error.strerror}") from error
    with CameraReader(camera_source, settings) as reader:
        look: Look | None = None
        if next(_frames(reader, timeout_s), None) is not None and reader.learns_background:
            on_progress(CaptureProgress("clear", 0, count))
            empty = next(_rests(_frames(reader, timeout_s), EMPTY_S, MOST_MOTION_EMPTY), None)
            if empty is None:
                raise CameraError(f"camera {reader.name}: the empty scene never came to rest")
            look = cut_out(empty.image)
        on_progress(CaptureProgress("show", 0, count))
        frames = _frames(reader, timeout_s)

        def views() -> Iterator[Frame]:
            for kept, view in enumerate(choose_views(frames, count, look), 1):
                yield view
                stage: Literal["turn", "done"] = "turn" if kept < count else "done"
                on_progress(CaptureProgress(stage, kept, count))

        paths = save_views(photos, sku, title, views())
    if not paths:
        raise CameraError(
            f"camera {reader.name} saw nothing at rest to photograph within {timeout_s:g} s; "
            f"clear its view, then hold the thing still before it"
        )
    return paths


def choose_views(
    frames: Iterable[Frame],
    count: int = 5,
    look: Look | None = None,
    hold_s: float = HOLD_S,
    least_difference: float = LEAST_DIFFERENCE,
) -> Iterator[Frame]:
    """From what the camera sees, the frames that are worth keeping, as they come.

    A view is kept when the picture is at rest, it is about as sharp as the sharpest one so
    far, and unlike all that were kept before.

    Args:
        frames: BGR frames in the order of their time.
        count: How many to keep at most.
        look: Cuts the thing out; the kept frames hold this part. None for the whole picture.
        hold_s: Seconds at rest before a view is taken; the sharpest of them is.
        least_difference: 1 - correlation to every kept view, 0 to 2.
    """
    kept: list[NDArray[np.float32]] = []
    sharpest = 0.0
    for frame in _rests(frames, hold_s, MOST_MOTION, look) if count > 0 else ():
        view = _signature(frame.image)
        if any(float(1 - view @ other) < least_difference for other in kept):
            continue
        sharp = sharpness(frame.image)
        if sharp < sharpest * LEAST_SHARPNESS:
            sharpest *= FORGIVENESS
            continue
        sharpest = max(sharpest, sharp)
        kept.append(view)
        yield frame
        if len(kept) == count:
            return


def save_views(photos: Path, sku: str, title: str, views: Iterable[Frame]) -> list[Path]:
    """Write views as ``photos/sku/1.jpg`` and on, and the title into ``item.json`` there.

    Nothing that is there is overwritten, numbers go on behind the highest; what else
    ``item.json`` holds stays. Each file is whole and on the disk before the next view is
    taken from `views`; nothing is written before the first.

    Raises:
        ContentError: The sku is no good name for a folder, or item.json is damaged.
        SurroundingsError: The folder cannot be written.
    """
    _check_sku(sku)
    folder = photos / sku
    paths: list[Path] = []
    for view in views:
        try:
            if not paths:
                folder.mkdir(parents=True, exist_ok=True)
                durable.flush_folder(photos)
                _write_title(folder / "item.json", title)
            paths.append(_write_photo(folder, view.image))
        except OSError as error:
            raise SurroundingsError(
                f"{folder}: cannot be written: {error.strerror}; check its room and rights"
            ) from error
    return paths


def cut_out(empty: Image) -> Look:
    """Cuts out what differs from the empty scene, as the recognizer does; see `Scene`."""
    scene = Scene()
    scene.learn(empty)

    def look(image: Image) -> Image | None:
        view = scene.look(image)
        if view.empty:
            return None
        part = crop(image, view.box).copy()
        return part if view.thing is None else on_light_ground(part, view.thing)

    return look


def _rests(
    frames: Iterable[Frame], hold_s: float, most_motion: float, look: Look | None = None
) -> Iterator[Frame]:
    """The sharpest look of each `hold_s` seconds in which nothing moved."""
    window: deque[tuple[float, NDArray[np.float32]]] = deque()
    best: tuple[float, Frame] | None = None
    for frame in frames:
        part = frame.image if look is None else look(frame.image)
        grey = _grey(frame.image)
        if window and (part is None or max(_motion(grey, one) for _, one in window) > most_motion):
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


def _grey(image: Image) -> NDArray[np.float32]:
    small = cv2.resize(image, (40, 30), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)


def _motion(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Mean grey levels of the most changed twentieth, so that small things count as well."""
    difference = np.abs(one - other).ravel()
    most = max(1, difference.size // 20)
    return float(np.partition(difference, -most)[-most:].mean())


def _signature(image: Image) -> NDArray[np.float32]:
    """A small copy in colour as a vector of norm 1 and mean 0, whatever the light."""
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    vector = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32).ravel()
    vector -= vector.mean()
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1.0))


def _frames(reader: CameraReader, seconds: float) -> Iterator[Frame]:
    """The reader's frames for some seconds; CameraError when it goes offline."""
    deadline = time.monotonic() + seconds
    sequence = 0
    while (remaining := deadline - time.monotonic()) > 0:
        frame = reader.frame(sequence, min(remaining, 0.5))
        if frame is not None:
            sequence = frame.sequence
            yield frame
        elif (state := reader.state).status == "offline":
            raise CameraError(state.message)


def _check_sku(sku: str) -> None:
    try:
        too_long = len(sku) > LONGEST_SKU or len(sku.encode()) > 240  # a file name's room
    except UnicodeEncodeError:
        too_long = True
    if (
        too_long
        or not sku
        or sku != sku.strip()
        or sku.startswith(".")
        or not sku.isprintable()
        or any(character in sku for character in "/\\")
    ):
        raise ContentError(
            f"sku {sku[: LONGEST_SKU + 1]!r} cannot name a folder; use 1 to {LONGEST_SKU} "
            f"characters, no slashes, no dot at its beginning, no space at its ends"
        )


def _write_title(file: Path, title: str) -> None:
    text = _titled(file, title)
    if text is not None:
        durable.write(file, text)


def _titled(file: Path, title: str) -> bytes | None:
    """What an item's file is to hold, with that title; None where it stays as it is."""
    if not title.strip():
        return None
    fields: object = {}
    if file.exists():
        try:
            fields = json.loads(file.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError):
            fields = None
    if not isinstance(fields, dict):
        raise ContentError(f"{file}: not a JSON object in UTF-8; mend or remove it")
    if fields.get("title") == title.strip():
        return None
    text = json.dumps(fields | {"title": title.strip()}, ensure_ascii=False, indent=2)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError as error:
        raise ContentError(f"{file}: its title, or another text in it, is not UTF-8") from error


def _write_photo(folder: Path, image: Image) -> Path:
    jpeg = cv2.imencode(".jpg", as_image(image), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    taken = [int(path.stem) for path in folder.iterdir() if path.stem.isdecimal()]
    for number in itertools.count(max(taken, default=0) + 1):
        # The unfinished file is what claims the number: renaming alone could overwrite, and
        # linking is not possible on the file systems of memory cards.
        unfinished = folder / f".{number}.jpg.unfinished"
        try:
            file = unfinished.open("xb")
        except FileExistsError:
            continue
        path = folder / f"{number}.jpg"
        try:
            with file:
                if path.exists():
                    continue
                file.write(jpeg.tobytes())
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        durable.flush_folder(folder)
        return path
    raise AssertionError("numbers do not end")
