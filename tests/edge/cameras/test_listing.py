"""Listing this machine's cameras."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

from edge.cameras import CameraInfo, CameraMode, list_cameras, v4l2
from edge.cameras.refusals import IN_USE


class Kernel:
    """Answers the three ioctl requests as a UVC camera and its metadata node do."""

    def __init__(self, *, capture: bool = True) -> None:
        self.capture = capture

    def __call__(self, descriptor: int, question: int, answer: bytearray) -> None:
        if question == v4l2.QUERY_CAPABILITIES:
            own = 0x04200001 if self.capture else 0x04A00000
            answer[:] = v4l2.CAPABILITY.pack(
                b"uvcvideo", b"Eye: Eye", b"usb-1", 0x60000, 0x84A00001, own
            )
        elif question == v4l2.ENUMERATE_FORMATS:
            index = struct.unpack_from("I", answer)[0]
            if index > 1:
                raise OSError(errno.EINVAL, "Invalid argument")
            code = (b"MJPG", b"YUYV")[index]
            answer[:] = v4l2.FORMAT.pack(index, 1, 0, b"", code, 0)
        else:
            index, code = struct.unpack_from("I4s", answer)
            sizes = {b"MJPG": [(1920, 1080), (640, 480)], b"YUYV": [(640, 480)]}[code]
            if index >= len(sizes):
                raise OSError(errno.EINVAL, "Invalid argument")
            answer[:] = v4l2.SIZE.pack(index, code, 1, *sizes[index], 0, 0, 0, 0)


def fake_devices(root: Path) -> tuple[Path, Path, Path]:
    for number, name in ((0, "Eye: Eye"), (2, "Other"), (10, "Third")):
        entry = root / "sys" / f"video{number}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(f"{name}\n")
    (root / "sys" / "v4l-subdev0").mkdir()
    (root / "dev").mkdir()
    (root / "dev" / "video0").touch()
    (root / "dev" / "video10").touch()
    (root / "id").mkdir()
    (root / "id" / "usb-Eye-video-index0").symlink_to(root / "dev" / "video0")
    return root / "sys", root / "dev", root / "id"


def test_cameras_are_listed_with_names_and_modes(tmp_path: Path) -> None:
    places = fake_devices(tmp_path)
    first, gone, last = list_cameras(*places, control=Kernel())
    assert first == CameraInfo(
        str(tmp_path / "dev" / "video0"),
        "Eye: Eye",
        "usb-Eye-video-index0",
        (
            CameraMode("MJPG", 1920, 1080),
            CameraMode("MJPG", 640, 480),
            CameraMode("YUYV", 640, 480),
        ),
    )
    assert (gone.name, gone.modes, gone.problem) == (
        "Other",
        (),
        "No such file or directory; unplug it and plug it in again",
    )
    assert last.path.endswith("video10")


def test_nodes_that_give_no_pictures_are_left_out(tmp_path: Path) -> None:
    places = fake_devices(tmp_path)
    names = [camera.name for camera in list_cameras(*places, control=Kernel(capture=False))]
    assert names == ["Other"]  # the one that could not be asked


def test_node_that_is_no_device_has_a_problem(tmp_path: Path) -> None:
    first, *_ = list_cameras(*fake_devices(tmp_path))
    assert "it is no camera" in first.problem


def test_a_busy_camera_says_so_in_words_that_the_page_translates(tmp_path: Path) -> None:
    class Busy(Kernel):
        def __call__(self, *_: object) -> None:
            raise OSError(errno.EBUSY, "Device or resource busy")

    first, *_ = list_cameras(*fake_devices(tmp_path), control=Busy())
    assert first.problem is IN_USE


def test_machine_without_cameras_has_an_empty_list(tmp_path: Path) -> None:
    assert list_cameras(tmp_path / "a", tmp_path / "b", tmp_path / "c") == []
    assert isinstance(list_cameras(), list)


def test_a_size_range_counts_with_its_largest(tmp_path: Path) -> None:
    class Range(Kernel):
        def __call__(self, descriptor: int, question: int, answer: bytearray) -> None:
            if question != v4l2.ENUMERATE_SIZES:
                super().__call__(descriptor, question, answer)
                return
            answer[:] = v4l2.SIZE.pack(0, answer[4:8], 3, 32, 2592, 2, 32, 1944, 2)

    first, *_ = list_cameras(*fake_devices(tmp_path), control=Range())
    assert first.modes[0] == CameraMode("MJPG", 2592, 1944)
