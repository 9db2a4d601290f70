"""RTSP cameras, played by a server of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.cameras import CameraSettings, open_camera
from edge.errors import CameraError
from tests.support.http_camera import HttpCamera
from tests.support.rtsp_camera import RtspCamera, film

pytestmark = pytest.mark.slow  # servers of cameras that misbehave

SETTINGS = CameraSettings(open_timeout_s=60, read_timeout_s=60)
SIZES = ((64, 48), (96, 80), (64, 48))
LEVELS = (50, 100, 200)


@pytest.fixture(scope="module")
def served() -> Iterator[RtspCamera]:
    parts = [(size, [level] * 30) for size, level in zip(SIZES, LEVELS, strict=True)]
    camera = RtspCamera(film(parts))
    yield camera
    camera.close()


def test_after_a_change_of_size_no_old_picture_is_shown(served: RtspCamera) -> None:
    camera = open_camera(served.address("/live"), SETTINGS)
    shown = [camera.read() for _ in range(70)]
    camera.close()
    runs: list[tuple[tuple[int, int], int]] = []
    for picture in shown:
        height, width = picture.shape[:2]
        nearest = min(LEVELS, key=lambda level: abs(level - picture.mean()))
        if not runs or runs[-1] != ((width, height), nearest):
            runs.append(((width, height), nearest))
    assert runs == list(zip(SIZES, LEVELS, strict=True))


def test_equal_pictures_are_no_fault_of_a_stream(served: RtspCamera) -> None:
    camera = open_camera(served.address("/live"), SETTINGS)
    assert not camera.live
    camera.close()


@pytest.mark.parametrize("path", ["/basic", "/digest"])
@pytest.mark.parametrize("credentials", ["admin:p@ss/w#rd!%41", "admin:p%40ss%2Fw%23rd%21%2541"])
def test_a_password_of_any_characters_opens_raw_and_encoded(
    served: RtspCamera, path: str, credentials: str
) -> None:
    camera = open_camera(served.address(path, credentials), SETTINGS)
    assert camera.read().shape == (48, 64, 3)
    camera.close()


@pytest.mark.parametrize(
    ("path", "credentials", "says"),
    [
        ("/basic", "", "asks for a user and password"),
        ("/digest", "", "asks for a user and password"),
        ("/basic", "admin:geheim", "refuses the user and password"),
        ("/digest", "admin:geheim", "refuses the user and password"),
        ("/status/404", "", "nothing at this path"),
        ("/status/403", "", "does not let this user"),
        ("/sound", "", "no video"),
        ("/unknown", "", "missing codec"),
    ],
)
def test_each_refusal_has_a_sentence_of_its_own(
    served: RtspCamera, path: str, credentials: str, says: str
) -> None:
    with pytest.raises(CameraError, match=f"cannot be opened: .*{says}") as caught:
        open_camera(served.address(path, credentials), SETTINGS)
    assert "geheim" not in str(caught.value)


def test_what_is_no_rtsp_server_is_told() -> None:
    served = HttpCamera()
    with pytest.raises(CameraError, match="sends no video and no pictures"):
        open_camera(served.address("/login").replace("http:", "rtsp:"), SETTINGS)
    served.close()
