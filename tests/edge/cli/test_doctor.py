"""``visual-search doctor``, also with MXNet alone, on a DeepLens and on a Greengrass core."""

from __future__ import annotations

import importlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from catalog.core.errors import MissingExtraError
from catalog.core.findings import Finding
from catalog.core.state import edge_state, write_edge_state
from edge.cameras import CameraInfo, CameraMode
from edge.cameras.refusals import NOT_ALLOWED
from edge.cli.doctor import _disk as look_at_disk
from edge.cli.doctor import examine
from edge.health import LEAST_ROOM
from edge.web.app import create_app
from edge.web.server import Server
from tests.catalog.networks.test_awscam import NAMES, STAND_INS
from tests.conftest import Surroundings
from tests.support import greengrass_core
from tests.support.certificates import Authority
from tests.support.web_stand_in import StandInDevice


def findings(subject: str) -> list[Finding]:
    """The findings of doctor about one subject."""
    return [finding for finding in examine(None) if finding.subject == subject]


@pytest.mark.parametrize("section", ["device", "catalog", "edge", "outbox", "sync"])
def test_a_name_that_no_section_knows_is_found(section: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[{section}]\nnothing_of_this_name = 1\n")
    (finding,) = [finding for finding in examine(file) if finding.subject == "settings"]
    assert finding.state == "wrong"
    assert f"[{section}] nothing_of_this_name: no such setting" in finding.message


def test_a_file_where_the_data_folder_is_to_be_is_found(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "file"))
    (finding,) = findings("disk")
    assert finding.state == "wrong"


@pytest.mark.parametrize(("free", "state"), [(LEAST_ROOM - 1, "wrong"), (LEAST_ROOM, "ok")])
def test_a_disk_without_room_for_a_new_catalogue_is_found(
    free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert look_at_disk(tmp_path).state == state


def test_cameras_are_named_with_their_modes_or_their_problem(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = (CameraMode("MJPG", 1920, 1080), CameraMode("YUYV", 640, 480))
    cameras = [
        CameraInfo("/dev/video0", "Eye", modes=modes),
        CameraInfo("/dev/video2", "Other", problem=NOT_ALLOWED),
    ]
    monkeypatch.setattr("edge.cameras.list_cameras", lambda: cameras)
    eye, other = findings("cameras")[:2]
    assert (eye.state, eye.message) == ("ok", "Eye (/dev/video0): MJPG 1920x1080, YUYV 640x480")
    assert other.state == "note"
    assert other.message == (
        "Other (/dev/video2) cannot be asked what it offers: this user may not use it"
    )
    assert other.remedy == "add the user to the group video"


@pytest.mark.parametrize("lan", ["false", "true"])
def test_a_port_that_is_in_use_is_noted(
    lan: str, surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__LAN", lan)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setenv("VISUAL_SEARCH_EDGE__PORT", str(port))
        (used,) = findings("port")
    (free,) = findings("port")
    assert (used.state, free.state) == ("note", "ok")
    assert used.message.startswith(f"port {port} is in use")
    assert free.message == f"port {port} is free"


@pytest.mark.parametrize(
    ("host", "runs", "state", "said"),
    [
        ("127.0.0.1", True, "ok", "this device's appliance runs; its page: "),
        ("127.0.0.2", False, "note", "another appl"),
    ],
)
def test_the_devices_own_page_at_the_port_is_known(
    host: str,
    runs: bool,
    state: str,
    said: str,
    surroundings: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This process plays the appliance, also at another address."""
    device = StandInDevice()
    server = Server(create_app(device), host, 0, device.stopping)
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__HOST", host)
    thread = threading.Thread(target=server.serve)
    thread.start()
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__PORT", str(server.port))
    if runs:
        write_edge_state(surroundings.data / "state", edge_state("open", "a bundle"))
    try:
        (found,) = findings("port")
    finally:
        server.close()
        thread.join()
    assert found.state == state
    assert found.message.startswith(said)
    assert str(server.port) in found.message


def test_only_who_needs_a_v4l2_camera_hears_that_none_is_connected(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cameras.list_cameras", list)
    (none,) = findings("cameras")
    assert "no V4L2 camera is connected" in none.message
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__CAMERA", str(tmp_path))
    assert findings("cameras") == []


def test_on_a_devices_package_nothing_is_to_be_installed_by_pip(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/visual-search/0.2.0+deb12")
    monkeypatch.setattr("catalog.networks.text_reader.open_reader", lambda: None)
    (text,) = findings("labels")
    assert "with the extra text; no device's package has it" in text.message
    assert "make device WITH=streams" in str(MissingExtraError("a stream", "streams"))


@pytest.fixture
def deeplens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the stand-ins of a DeepLens' libraries and of its core importable."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.syspath_prepend(str(greengrass_core.MODULES))
    importlib.invalidate_caches()
    yield
    for name in NAMES:
        sys.modules.pop(name, None)
    greengrass_core.forget()


@pytest.mark.mxnet
def test_mxnet_is_named_where_it_is(surroundings: Surroundings) -> None:
    states = {finding.message: finding.state for finding in findings("engines")}
    assert states["mxnet runs imported checkpoints"] == "ok"
    assert not any("awscam" in message for message in states)
    assert findings("deeplens") == findings("greengrass") == []


@pytest.fixture
def without_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither onnxruntime nor openvino is installed."""
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"catalog.networks.engines.{name}", raising=False)


@pytest.mark.mxnet
def test_mxnet_alone_is_no_fault(surroundings: Surroundings, without_engines: None) -> None:
    """Doctor notes which networks run."""
    found = findings("engines")
    assert [finding.state for finding in found][:2] == ["ok", "note"]
    assert "networks that ship with this program run" in found[1].message
    assert not any(finding.state == "wrong" for finding in found)


def test_opencv_alone_is_no_fault(
    surroundings: Surroundings, without_engines: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor notes that it runs the program's own networks alone."""
    monkeypatch.setattr("edge.cli.doctor.CHECKPOINT_ENGINES", ())
    note, runs = findings("engines")
    assert (note.state, runs.state) == ("note", "ok")
    assert "opencv runs those that ship with this program" in note.message
    assert "onnxruntime" in note.remedy
    assert runs.message == "opencv runs the embedded network"


def test_a_deeplens_and_its_core_are_recognized(surroundings: Surroundings, deeplens: None) -> None:
    (camera,) = findings("deeplens")
    assert 'camera may be "deeplens"' in camera.message
    (core,) = findings("greengrass")
    assert (core.state, core.remedy) == ("ok", "")
    assert "awscam runs imported checkpoints" in [
        finding.message for finding in findings("engines")
    ]


def test_a_core_without_the_sdk_names_the_extra(
    surroundings: Surroundings, deeplens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "greengrasssdk" else found(name),
    )
    (core,) = findings("greengrass")
    assert core.state == "note"
    assert core.remedy == "pip install '.[deeplens]' in this program's folder"


def test_an_mxnet_that_cannot_be_imported_is_told(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mxnet.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    monkeypatch.delitem(sys.modules, "mxnet", raising=False)
    monkeypatch.delitem(sys.modules, "catalog.networks.engines.mxnet", raising=False)
    (broken,) = [
        finding for finding in findings("engines") if "cannot be imported" in finding.message
    ]
    assert broken.state == "note"
    assert "libgomp.so.1" in broken.message
    assert "libgomp1" in broken.remedy


def test_the_given_certificate_of_the_page_is_checked(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor says what the page would, and nothing where the page needs no given certificate."""
    certificate, key = Authority(tmp_path).issue("localhost")
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__CERTIFICATE", str(certificate))
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__KEY", str(key))
    assert findings("certificate") == []
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__TLS", "true")
    assert [finding.state for finding in findings("certificate")] == ["ok"]
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__KEY", str(certificate))
    (wrong,) = findings("certificate")
    assert (wrong.state, "is not its key" in wrong.message) == ("wrong", True)
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__CERTIFICATE", "nope.pem")
    (absent,) = findings("certificate")
    assert absent.message == "nope.pem: cannot be read: No such file or directory"
