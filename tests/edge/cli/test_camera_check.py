"""What doctor says of the camera that is set."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras import Camera, CameraSettings
from edge.cameras.refusals import IN_USE, cannot_open
from edge.cli.camera_check import check_camera
from edge.settings import EdgeSettings
from tests.support.http_camera import HttpCamera


@pytest.fixture
def served() -> Iterator[HttpCamera]:
    camera = HttpCamera()
    yield camera
    camera.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.camera_check.MEASURED_S", 0.3)


def chosen(camera: str) -> EdgeSettings:
    return EdgeSettings.model_validate({"camera": camera})


@pytest.mark.parametrize("path", ["/live", "/snapshot.jpg"])
def test_its_size_and_rate_are_told_and_a_picture_is_kept(
    served: HttpCamera, tmp_path: Path, path: str
) -> None:
    found = check_camera(chosen(served.address(path, "user:geheim")), tmp_path / "data")
    assert (found.subject, found.state, found.remedy) == ("camera", "ok", "")
    told = re.fullmatch(
        rf"{re.escape(served.address(path))}: 64x48, ([\d.]+) pictures a second; "
        rf"one is kept in (.*)",
        found.message,
    )
    assert told is not None
    assert float(told[1]) > 0
    picture = Path(told[2])
    assert picture == tmp_path / "data" / "doctor" / "camera.jpg"
    assert np.asarray(cv2.imread(str(picture))).shape == (48, 64, 3)
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert stat.S_IMODE(picture.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(picture.parent.parent.stat().st_mode) == 0o700


def test_a_picture_that_cannot_be_kept_is_told(served: HttpCamera, tmp_path: Path) -> None:
    (tmp_path / "doctor").write_text("")
    found = check_camera(chosen(served.address("/live")), tmp_path)
    assert found.state == "ok"
    assert "no picture could be kept" in found.message


def test_a_camera_that_was_chosen_and_does_not_open_is_wrong(
    served: HttpCamera, tmp_path: Path
) -> None:
    found = check_camera(chosen(served.address("/login", "user:geheim")), tmp_path)
    assert found.state == "wrong"
    assert "a web page answers" in found.message
    assert "geheim" not in str(found)
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_goes_away_after_some_pictures_is_wrong(
    served: HttpCamera, tmp_path: Path
) -> None:
    found = check_camera(chosen(served.address("/two-parts")), tmp_path)
    assert found.state == "wrong"
    assert "ended its stream" in found.message
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_nobody_chose_is_noted(tmp_path: Path) -> None:
    settings = EdgeSettings.model_construct(_fields_set=set(), camera="/dev/video97")
    found = check_camera(settings, tmp_path)
    assert (found.state, "is not there" in found.message) == ("note", True)
    assert "set another [edge] camera" in found.remedy


def test_a_camera_that_the_appliance_uses_is_noted(tmp_path: Path) -> None:
    def busy(source: str, settings: CameraSettings) -> Camera:
        raise cannot_open(source, IN_USE)

    found = check_camera(chosen("/dev/video0"), tmp_path, busy)
    assert found.state == "note"
    assert "another program uses it" in found.message
    found = check_camera(chosen("/dev/video0"), tmp_path, busy, appliance_runs=True)
    assert (found.state, found.remedy) == ("ok", "")
    assert "this device's appliance uses it" in found.message
