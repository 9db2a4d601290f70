"""Read the code of a catalogue's owner by a camera: it says where catalogues are, and whose."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing

from catalog.core.errors import ContentError, SettingsError
from edge.cameras import CameraReader
from edge.cameras.base import CameraSettings
from edge.sighting import Image
from edge.vision.codes import matrix_texts
from sync.owner_code import read_owner_code

PICTURE_PATIENCE_S = 8.0
CODE_PATIENCE_S = 60.0


def pictures(
    camera: str, settings: CameraSettings, patience_s: float = PICTURE_PATIENCE_S
) -> Generator[Image]:
    """The pictures of a camera as they come, BGR uint8 (h, w, 3), for some seconds.

    Raises:
        ContentError: It gives none; says why.
    """
    deadline, newest = time.monotonic() + patience_s, 0
    with CameraReader(camera, settings) as reader:
        while time.monotonic() < deadline:
            frame = reader.frame(newest, 0.25)
            if frame is not None:
                newest = frame.sequence
                yield frame.image
            elif (state := reader.state).status == "offline":
                raise ContentError(state.message)
        if not newest:
            raise ContentError(f"camera {reader.name} gives no picture")


def code_in(picture: Image) -> dict[str, str]:
    """The settings of ``[sync]`` of the owner's code in a picture, BGR uint8 (h, w, 3).

    Returns:
        They, by their keys; nothing where there is no code at all.

    Raises:
        SettingsError: There are codes, and none is such a code; says why.
    """
    refused: SettingsError | None = None
    for text in matrix_texts(picture):
        try:
            return read_owner_code(text)
        except SettingsError as error:
            refused = error
    if refused is not None:
        raise refused
    return {}


def code_before(
    camera: str,
    settings: CameraSettings,
    told: Callable[[str], object] = lambda reason: None,
    patience_s: float = CODE_PATIENCE_S,
) -> dict[str, str]:
    """Wait until the owner's code is held before a camera; its settings, by their keys.

    Args:
        camera: The camera.
        settings: What it is opened with.
        told: Called with the reason when another code is before it.
        patience_s: Seconds to wait.

    Raises:
        ContentError: None came, or the camera gives no picture; says why.
    """
    refused = ""
    with closing(pictures(camera, settings, patience_s)) as shown:
        for picture in shown:
            try:
                if found := code_in(picture):
                    return found
            except SettingsError as error:
                if str(error) != refused:
                    told(str(error))
                refused = str(error)
    seen = "only other codes were seen" if refused else "none was seen"
    raise ContentError(f"{seen}; hold it closer, and still")
