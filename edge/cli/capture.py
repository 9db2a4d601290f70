"""Take own photos of a thing with the device's camera, while a person turns it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalog.core.errors import SurroundingsError
from edge.cameras import CameraReader, CameraSettings
from edge.cli.photo_folder import check_sku, save_views, titled
from edge.errors import CameraError
from edge.sighting import Frame
from edge.vision.view_selection import (
    choose_views,
    found_thing_cutter,
    resting_frames,
    thing_cutter,
)

EMPTY_S = 2.0  # at rest for so long: everything has been taken away
MOST_MOTION_EMPTY = 12.0  # grey levels; see MOST_MOTION of edge.vision.view_selection


@dataclass(frozen=True)
class CaptureProgress:
    """What the person before the camera should know.

    Attributes:
        stage: What to do now: "clear" (take everything away), "show" (hold the thing before the
            camera), "turn" (turn it to another side) or "done".
        taken: How many photos are taken.
        wanted: How many are wanted.
        whole: Whether the newest photo shows the whole picture, because no thing was found in it.
    """

    stage: Literal["clear", "show", "turn", "done"]
    taken: int
    wanted: int
    whole: bool = False


def capture(  # noqa: PLR0913  # what the command was given
    camera_source: str,
    settings: CameraSettings,
    photos: Path,
    sku: str,
    title: str,
    count: int = 5,
    timeout_s: float = 60.0,
    on_progress: Callable[[CaptureProgress], None] = lambda progress: None,
    *,
    background: bool = True,
) -> list[Path]:
    """Photograph a thing from several sides into the folder ``photos/sku``.

    First the empty scene is recorded, so that the photos show the thing alone. Where there is
    none, the thing is found in each picture, and a picture without a sure thing is taken whole.
    Each photo is on the disk before the next view is chosen.

    Args:
        camera_source, settings: The camera, as for `open_camera`.
        photos: The folder that the catalogue is built from.
        sku, title: The item; an empty title leaves the item's title as it is.
        count: How many views are wanted.
        timeout_s: Seconds for each step: the first picture, the empty scene, all the views.
        on_progress: Called when the person should do something else; may wait for a key.
        background: Whether there is an empty scene; False for a camera that is carried about. A
            folder of pictures has none in any case.

    Returns:
        The files written, at least one, possibly fewer than `count`.

    Raises:
        ContentError: The sku cannot name a folder, or the title or its file is no text.
        CameraError: The camera failed, or showed nothing that could be photographed.
        SurroundingsError: The folder cannot be read or written.
    """
    check_sku(sku)
    try:
        titled(photos / sku / "item.json", title)  # fail before anybody poses
    except OSError as error:
        raise SurroundingsError(f"{photos / sku}: cannot be read: {error.strerror}") from error
    with CameraReader(camera_source, settings) as reader:
        cutter = found_thing_cutter()
        size: tuple[int, ...] = ()
        first = next(_frames(reader, timeout_s), None)
        background = background and first is not None and reader.learns_background
        if background:
            on_progress(CaptureProgress("clear", 0, count))
            frames = _frames(reader, timeout_s)
            empty = next(resting_frames(frames, EMPTY_S, MOST_MOTION_EMPTY), None)
            if empty is None:
                raise CameraError(f"camera {reader.name}: the empty scene never came to rest")
            cutter = thing_cutter(empty.image)
        on_progress(CaptureProgress("show", 0, count))

        def frames_to_choose_from() -> Iterator[Frame]:
            nonlocal size
            for frame in _frames(reader, timeout_s):
                size = frame.image.shape
                yield frame

        def views() -> Iterator[Frame]:
            for taken, view in enumerate(choose_views(frames_to_choose_from(), count, cutter), 1):
                yield view
                stage: Literal["turn", "done"] = "turn" if taken < count else "done"
                whole = not background and view.image.shape == size
                on_progress(CaptureProgress(stage, taken, count, whole))

        paths = save_views(photos, sku, title, views())
    if not paths:
        raise CameraError(
            f"camera {reader.name} saw nothing at rest to photograph within {timeout_s:g} s; "
            f"clear its view, then hold the thing still before it"
        )
    return paths


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
