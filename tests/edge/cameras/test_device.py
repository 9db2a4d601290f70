"""Why a V4L2 device does not open, by a stand-in for the kernel's answers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import pytest

from edge.cameras import device, v4l2
from edge.cameras.base import CameraSettings
from edge.cameras.device import reason_of_device

CAPTURE, METADATA = 0x1, 0x00800000


class Kernel:
    """Answers questions about one device; `failures` are the errors by question."""

    def __init__(self, capabilities: int = CAPTURE, **failures: int) -> None:
        self._capabilities = capabilities
        self._failures = failures
        self.requested: list[tuple[int, ...]] = []

    def __call__(self, descriptor: int, question: int, answer: bytearray) -> None:
        name = {v4l2.QUERY_CAPABILITIES: "query", v4l2.REQUEST_BUFFERS: "buffers"}[question]
        if name in self._failures:
            number = self._failures[name]
            raise OSError(number, os.strerror(number))
        if name == "query":
            words = 0, v4l2.HAS_DEVICE_CAPABILITIES, self._capabilities
            answer[:] = v4l2.CAPABILITY.pack(b"driver", b"Eye", b"usb", *words)
        else:
            self.requested.append(v4l2.BUFFERS.unpack(answer))


@pytest.mark.parametrize(
    ("kernel", "says"),
    [
        (Kernel(query=errno.ENOTTY), "it is no camera"),
        (Kernel(query=errno.ENODEV), "its driver has lost it"),
        (Kernel(METADATA), "it gives no pictures"),
        (Kernel(buffers=errno.EBUSY), "another program uses it"),
        (Kernel(buffers=errno.EIO), "Input/output error"),
        (Kernel(), "no kind of picture that can be read here"),
    ],
)
def test_each_reason_has_a_sentence_of_its_own(kernel: Kernel, says: str, tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    assert says in reason_of_device(node, kernel)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EBUSY, "another program uses it"),
        (errno.EACCES, "group video"),
        (errno.EPERM, "group video"),
        (errno.ENXIO, "its driver has lost it"),
        (errno.ENOENT, "No such file"),
    ],
)
def test_a_device_that_is_refused_says_why(
    number: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    assert says in reason_of_device(tmp_path / "video0", Kernel())


def test_the_layouts_are_those_of_the_kernel() -> None:
    """The numbers contain the sizes."""
    for number, layout in (
        (v4l2.QUERY_CAPABILITIES, v4l2.CAPABILITY),
        (v4l2.ENUMERATE_FORMATS, v4l2.FORMAT),
        (v4l2.ENUMERATE_SIZES, v4l2.SIZE),
        (v4l2.REQUEST_BUFFERS, v4l2.BUFFERS),
    ):
        assert number >> 16 & 0x3FFF == layout.size


def test_a_camera_that_comes_back_as_another_node_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    class Capture:
        def __init__(self, path: str, _: int) -> None:
            opened.append(path)

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return True

        def set(self, *_: float) -> None:
            pass

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(device, "_check_device", lambda *_: None)
    name = tmp_path / "usb-Eye-video-index0"
    for node in ("video0", "video1"):
        (tmp_path / node).touch()
        name.unlink(missing_ok=True)
        name.symlink_to(node)
        camera = device.DeviceCamera(name, CameraSettings())
        assert camera.name == str(name)
        camera.close()
    assert opened == [str(tmp_path / "video0"), str(tmp_path / "video1")]
