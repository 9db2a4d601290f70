"""Camera modules of a Raspberry Pi, by a stand-in for picamera2."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from catalog.core.errors import MissingExtraError
from edge.cameras import CameraSettings, open_camera
from edge.errors import CameraError
from tests.support import picamera2
from tests.support.picamera2 import Picamera2


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "picamera2", picamera2)
    Picamera2.opened.clear()
    yield
    assert all(camera.closed and not camera.started for camera in Picamera2.opened)


def test_the_module_is_opened_as_the_settings_say_and_gives_bgr() -> None:
    camera = open_camera("libcamera", CameraSettings(width=320, height=240, fps=12))
    (opened,) = Picamera2.opened
    assert opened.configuration["main"] == {"format": "RGB888", "size": (320, 240)}
    assert opened.configuration["controls"] == {"FrameRate": 12}
    first, second = camera.read(), camera.read()
    assert first.shape == (240, 320, 3)
    assert first[0, 0].tolist() == [255, 1, 1]
    assert second[0, 0].tolist() == [255, 2, 2]
    assert camera.name == "libcamera"
    assert camera.live
    camera.close()
    camera.close()


def test_the_second_module_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CameraError, match=r"libcamera:1 cannot be opened: .*finds no such camera"):
        open_camera("libcamera:1", CameraSettings())
    monkeypatch.setattr(Picamera2, "cameras", 2)
    camera = open_camera("libcamera:1", CameraSettings())
    assert camera.name == "libcamera:1"
    camera.close()


@pytest.mark.parametrize("source", ["libcamera:", "libcamera:x", "libcamera:-1"])
def test_a_wrong_number_is_refused(source: str) -> None:
    with pytest.raises(CameraError, match="number must be whole"):
        open_camera(source, CameraSettings())


def test_a_module_that_is_in_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picamera2, "in_use", True)
    with pytest.raises(CameraError, match="cannot be opened: another program uses it"):
        open_camera("libcamera", CameraSettings())


def test_what_libcamera_refuses_is_told_in_its_words() -> None:
    with pytest.raises(CameraError, match="width and height should be even"):
        open_camera("libcamera", CameraSettings(width=321))


def test_a_module_that_fails_is_an_error() -> None:
    camera = open_camera("libcamera", CameraSettings())
    Picamera2.opened[0].broken = True
    with pytest.raises(CameraError, match=r"gives no pictures: Camera grab failed\."):
        camera.read()
    camera.close()


def test_without_picamera2_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[libcamera\]'"):
        open_camera("libcamera", CameraSettings())
