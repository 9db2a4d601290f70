"""Own photos by camera: the choice of views, and writing them to the disk."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.core.errors import ContentError, SurroundingsError
from catalog.sources.read import read_source
from edge.cameras import CameraSettings
from edge.cli.capture import CaptureProgress, capture
from edge.cli.photo_folder import save_views
from edge.errors import CameraError
from edge.sighting import Frame, Image
from edge.vision.images import sharpness
from edge.vision.view_selection import choose_views, thing_cutter

FPS = 20


def empty_scene() -> Image:
    across = np.linspace(80, 150, 320, dtype=np.float32)
    return np.repeat(np.tile(across, (240, 1))[..., None], 3, 2).astype(np.uint8)


def side(seed: int, cells: int = 6) -> Image:
    """One side of a printed thing, 100 x 100."""
    colours = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), np.uint8)
    return cv2.resize(colours, (100, 100), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def scene(seed: int | None, x: int = 110, y: int = 70, blur: float = 0.0) -> Image:
    image = empty_scene()
    if seed is not None:
        image[y : y + 100, x : x + 100] = side(seed)
    return cv2.GaussianBlur(image, (0, 0), blur).astype(np.uint8) if blur else image


def filmed(*parts: tuple[float, Image]) -> Iterator[Frame]:
    """Frames that show each picture for some seconds, with a sensor's noise."""
    random = np.random.default_rng(0)
    pictures = (image for seconds, image in parts for _ in range(round(seconds * FPS)))
    for number, image in enumerate(pictures):
        noisy = np.clip(image + random.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
        yield Frame(noisy, 1000 + number / FPS, number + 1)


def shaken(seed: int, seconds: float) -> list[tuple[float, Image]]:
    """Pictures of a thing that is moved to and fro."""
    return [(1 / FPS, scene(seed, 40 + number * 37 % 160)) for number in range(int(seconds * FPS))]


def resembles(frame: Frame, seed: int) -> bool:
    """Whether the frame shows this side of the thing."""
    found = cv2.matchTemplate(frame.image, side(seed)[10:90, 10:90], cv2.TM_CCOEFF_NORMED)
    return bool(found.max() > 0.9)


@pytest.mark.slow
def test_one_view_of_each_side_is_kept() -> None:
    cutter = thing_cutter(empty_scene())
    parts = [(1.0, scene(1)), (2.0, scene(2)), (1.0, scene(1, 60, 40)), (1.0, scene(3))]
    views = list(choose_views(filmed(*parts), 5, cutter))
    assert len(views) == 3
    assert all(resembles(view, seed) for view, seed in zip(views, (1, 2, 3), strict=True))
    assert all(max(view.image.shape) < 140 for view in views)  # the thing, not the scene


def test_as_many_as_wanted_and_not_a_frame_further() -> None:
    frames = filmed((1.0, scene(1)), (1.0, scene(2)), (1.0, scene(3)))
    assert len(list(choose_views(frames, 2))) == 2
    assert next(frames).sequence < 2 * FPS
    assert list(choose_views(filmed((1.0, scene(1))), 0)) == []


def test_nothing_is_kept_while_it_moves() -> None:
    assert list(choose_views(filmed(*shaken(1, 3.0)))) == []
    views = list(choose_views(filmed(*shaken(1, 2.0), (1.0, scene(1)))))
    assert len(views) == 1
    assert views[0].at >= 1002


def test_trembling_hand_counts_as_rest() -> None:
    tremble = [(1 / FPS, scene(1, 110 + number % 2)) for number in range(2 * FPS)]
    assert len(list(choose_views(filmed(*tremble), 5, thing_cutter(empty_scene())))) == 1


def test_empty_scene_is_never_kept() -> None:
    cutter = thing_cutter(empty_scene())
    brighter = np.clip(empty_scene() * 1.2, 0, 255).astype(np.uint8)
    assert list(choose_views(filmed((2.0, scene(None)), (2.0, brighter)), 5, cutter)) == []


def test_sharpest_moment_is_kept_while_the_focus_hunts() -> None:
    parts = [(0.2, scene(1, blur=4)), (0.15, scene(1)), (0.25, scene(1, blur=4)), (0.1, scene(1))]
    (view,) = choose_views(filmed(*parts), 1)
    assert sharpness(view.image) > 0.8 * sharpness(next(filmed((1.0, scene(1)))).image)


def test_blurred_view_is_not_kept_beside_sharp_ones() -> None:
    views = choose_views(filmed((0.8, scene(1)), (0.8, scene(2, blur=3))))
    assert [resembles(view, 1) for view in views] == [True]


@pytest.mark.slow
def test_plain_side_is_kept_when_it_is_held_for_long() -> None:
    plain = scene(None)
    plain[70:170, 110:210] = (40, 60, 200)
    cutter = thing_cutter(empty_scene())
    assert len(list(choose_views(filmed((0.8, scene(1)), (8.0, plain)), 5, cutter))) == 2


def test_foreground_is_the_thing_with_a_margin() -> None:
    part = thing_cutter(empty_scene())(scene(4, 150, 100))
    assert part is not None
    assert 100 <= part.shape[0] <= 130
    assert 100 <= part.shape[1] <= 130


# On the disk.


def views(*seeds: int) -> list[Frame]:
    return [Frame(scene(seed), 0.0, seed) for seed in seeds]


def test_views_are_numbered_and_the_catalogue_reads_them(tmp_path: Path) -> None:
    paths = save_views(tmp_path / "photos", "tea 1", " Grüner Tee ", views(1, 2))
    folder = tmp_path / "photos" / "tea 1"
    assert paths == [folder / "1.jpg", folder / "2.jpg"]
    assert np.asarray(cv2.imread(str(paths[0]))).shape == (240, 320, 3)
    (entry,) = read_source(tmp_path / "photos").items
    assert (entry.item.sku, entry.item.title) == ("tea 1", "Grüner Tee")
    assert len(entry.photos) == 2


def test_other_users_cannot_see_the_photos(tmp_path: Path) -> None:
    save_views(tmp_path / "photos", "A-1", "A thing", views(1))
    folder = tmp_path / "photos" / "A-1"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent)} == {0o700}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "tea"
    folder.mkdir()
    (folder / "7.png").write_bytes(b"mine")
    (folder / ".8.jpg.unfinished").write_bytes(b"left by a power cut")
    (folder / "front.jpg").write_bytes(b"mine")
    (folder / "item.json").write_text('{"title": "Old", "price": "1.20"}')
    (path,) = save_views(tmp_path, "tea", "", views(1))
    assert path.name == "9.jpg"
    assert (folder / "7.png").read_bytes() == b"mine"
    assert json.loads((folder / "item.json").read_text()) == {"title": "Old", "price": "1.20"}
    save_views(tmp_path, "tea", "New", views(2))
    assert json.loads((folder / "item.json").read_text()) == {"title": "New", "price": "1.20"}


def test_two_at_once_take_different_numbers(tmp_path: Path) -> None:
    written: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: written.extend(save_views(tmp_path, "tea", "", views(*range(8))))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.stem) for path in written) == list(range(1, 33))
    assert len(list((tmp_path / "tea").iterdir())) == 32


def test_photo_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        steps.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        fsync(handle)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append(f"rename to {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    save_views(tmp_path / "photos", "tea", "", views(1))
    assert steps == ["fsync photos", "fsync .1.jpg.unfinished", "rename to 1.jpg", "fsync tea"]


def test_without_a_view_nothing_is_written(tmp_path: Path) -> None:
    assert save_views(tmp_path / "photos", "tea", "Tea", []) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sku",
    ["", ".", "..", ".tea", "a/b", "a\\b", "a\0b", "a\nb", " tea", "tea ", "x" * 101,
     "\U0001f375" * 61, "\udc80"],
)  # fmt: skip
def test_sku_that_names_no_folder_is_refused(tmp_path: Path, sku: str) -> None:
    with pytest.raises(ContentError, match="cannot name a folder"):
        save_views(tmp_path / "photos", sku, "Tea", views(1))
    with pytest.raises(ContentError, match="cannot name a folder"):
        capture("/dev/video97", CameraSettings(), tmp_path / "photos", sku, "Tea")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[]", "{", "\udcff"])
def test_damaged_item_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "tea").mkdir()
    (tmp_path / "tea" / "item.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ContentError, match=r"item\.json"):
        save_views(tmp_path, "tea", "Tea", views(1))
    with pytest.raises(ContentError, match=r"item\.json"):  # before a camera is looked for
        capture("/dev/video97", CameraSettings(), tmp_path, "tea", "Tea")


def test_a_title_that_is_no_text_is_refused_before_anybody_poses(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"item\.json: its title.*not UTF-8"):
        capture("/dev/video97", CameraSettings(), tmp_path / "photos", "tea", "T\udcff")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file")
    with pytest.raises(SurroundingsError, match="photos"):
        save_views(tmp_path / "photos", "tea", "Tea", views(1))


# The whole.


def write_film(path: Path, *parts: tuple[float, Image]) -> str:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (320, 240))
    for frame in filmed(*parts):
        writer.write(frame.image)
    writer.release()
    return str(path)


@pytest.mark.slow
def test_thing_is_captured_from_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.capture.EMPTY_S", 0.5)
    film = write_film(
        tmp_path / "film.avi", (1.0, scene(None)), *shaken(1, 0.3), (1.0, scene(1)), (2.0, scene(2))
    )
    progress_calls: list[CaptureProgress] = []
    paths = capture(
        film, CameraSettings(), tmp_path / "photos", "tea", "Tea", 2, 20.0, progress_calls.append
    )
    assert [path.name for path in paths] == ["1.jpg", "2.jpg"]
    assert [(progress.stage, progress.taken) for progress in progress_calls] == [
        ("clear", 0),
        ("show", 0),
        ("turn", 1),
        ("done", 2),
    ]
    for path, seed in zip(paths, (1, 2), strict=True):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        assert max(image.shape) < 140
        assert resembles(Frame(image, 0, 0), seed)


@pytest.mark.slow
def test_in_a_folder_of_pictures_the_thing_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), scene(1))
    said: list[CaptureProgress] = []
    source, photos = str(tmp_path / "in"), tmp_path / "out"
    (path,) = capture(source, CameraSettings(), photos, "tea", "", 1, 60.0, said.append)
    image = np.asarray(cv2.imread(str(path)), np.uint8)
    assert max(image.shape) < 140
    assert resembles(Frame(image, 0, 0), 1)
    assert [(progress.stage, progress.whole) for progress in said] == [
        ("show", False),
        ("done", False),
    ]


@pytest.mark.slow
def test_a_picture_without_a_sure_thing_is_captured_whole_and_said_to_be(tmp_path: Path) -> None:
    """Of a camera that is carried about, too, for which nobody clears a counter."""
    film = write_film(tmp_path / "film.avi", (2.0, scene(None)))
    said: list[CaptureProgress] = []
    photos = tmp_path / "out"
    (path,) = capture(
        film, CameraSettings(), photos, "tea", "", 1, 60.0, said.append, background=False
    )
    assert np.asarray(cv2.imread(str(path))).shape == (240, 320, 3)
    assert [(progress.stage, progress.whole) for progress in said] == [
        ("show", False),
        ("done", True),
    ]


def test_camera_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="/dev/video97 is not there"):
        capture("97", CameraSettings(), tmp_path / "photos", "tea", "Tea")
    assert list(tmp_path.iterdir()) == []


def test_scene_that_never_rests_is_an_error(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.avi", *shaken(1, 2.0))
    with pytest.raises(CameraError, match="never came to rest"):
        capture(film, CameraSettings(), tmp_path / "photos", "tea", "Tea", timeout_s=2.0)
    assert not (tmp_path / "photos").exists()


def test_nothing_shown_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.cli.capture.EMPTY_S", 0.3)
    film = write_film(tmp_path / "film.avi", (1.0, scene(None)))
    with pytest.raises(CameraError, match="nothing at rest"):
        capture(film, CameraSettings(), tmp_path / "photos", "tea", "Tea", timeout_s=2.0)
