"""Copies: what is one photo, what is not, and that a catalogue with copies is one without."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from catalog.building import copies
from catalog.building.build import BuildReport, build
from catalog.building.copies import Fingerprint, are_copies, fingerprint, originals
from catalog.building.stage import THUMBNAIL
from catalog.bundles.bundle import Bundle
from catalog.core.photos import Picture, decode, encode_jpeg, shrink
from catalog.evaluation.compare import compare
from catalog.evaluation.evaluate import evaluate
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, jpeg, pillow, png, write_things

SIDE = 320


def printed(of: Picture | bytes) -> Fingerprint:
    """Return the fingerprint of a picture or a picture file, as a build makes it."""
    picture = decode(of, "photo") if isinstance(of, bytes) else of
    height, width = picture.shape[:2]
    return fingerprint(encode_jpeg(picture, THUMBNAIL), (width, height))


def landscape(number: int = 7, view: int = 0) -> Picture:
    """Return a photo of a thing that is half as high again as wide."""
    return np.ascontiguousarray(draw_thing(number, view, SIDE)[:, : SIDE * 2 // 3])


def resized(picture: Picture, width: int, height: int, method: int = cv2.INTER_AREA) -> Picture:
    """Return the picture in another size."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def centre(picture: Picture, side: int) -> Picture:
    """Return the square in the picture's centre, of this size."""
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    return resized(picture[top : top + least, left : left + least], side, side)


def turned(picture: Picture, degrees: float) -> Picture:
    """Return the picture turned about its centre."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), borderMode=edge), np.uint8)


COPIES: dict[str, Callable[[Picture], bytes]] = {
    "byte for byte": png,
    "compressed": lambda photo: jpeg(photo, 40),
    "compressed much": lambda photo: jpeg(photo, 25),
    "another format": lambda photo: pillow(photo, "WEBP"),
    "half the size": lambda photo: jpeg(shrink(photo, SIDE // 2)),
    "a thumbnail": lambda photo: jpeg(shrink(photo, 100), 75),
    "a tiny thumbnail": lambda photo: jpeg(shrink(photo, 64), 75),
    "twice the size": lambda photo: jpeg(
        resized(photo, 2 * photo.shape[1], 2 * photo.shape[0], cv2.INTER_CUBIC)
    ),
    "squeezed to a square": lambda photo: jpeg(resized(photo, 120, 120), 75),
    "cut to a square": lambda photo: jpeg(centre(photo, 150), 75),
}
OTHERS: dict[str, Callable[[Picture], Picture]] = {
    "another view": lambda photo: landscape(view=1),
    "another view, smaller": lambda photo: shrink(landscape(view=1), 150),
    "turned a little": lambda photo: turned(photo, 3),
    "moved a little": lambda photo: np.roll(photo, 6, 1),
    "nearer": lambda photo: resized(photo[8:-8, 6:-6], photo.shape[1], photo.shape[0]),
    "in another colour": lambda photo: np.ascontiguousarray(photo[:, :, ::-1]),
    "another thing": lambda photo: landscape(8),
    "the centre of another view": lambda photo: centre(landscape(view=1), 150),
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("photo", [landscape(), draw_thing(7, 0, SIDE)], ids=["upright", "square"])
def test_a_copy_is_found(photo: Picture, copied: Callable[[Picture], bytes]) -> None:
    assert are_copies([printed(copied(photo))], [printed(photo)]).all()
    assert are_copies([printed(photo)], [printed(copied(photo))]).all()


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_another_photo_is_no_copy(changed: Callable[[Picture], Picture]) -> None:
    assert not are_copies([printed(changed(landscape()))], [printed(landscape())]).any()


def test_the_largest_is_the_original_and_the_first_of_equals() -> None:
    photo, other = landscape(), landscape(view=1)
    photos = [shrink(photo, 100), other, photo, photo.copy(), shrink(other, 150), landscape(8)]
    assert originals([printed(picture) for picture in photos]).tolist() == [2, 1, 2, 2, 1, 5]
    assert originals([]).tolist() == []


def test_photos_that_change_little_by_little_are_not_one() -> None:
    """Frames of a turning thing: each resembles the next, but not those after."""
    frames = [turned(landscape(), degrees) for degrees in np.arange(0, 12, 0.5)]
    found = originals([printed(frame) for frame in frames])
    assert len(set(found.tolist())) >= 4
    assert all(abs(int(of) - number) <= 5 for number, of in enumerate(found))


def test_many_photos_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [landscape(number) for number in range(40)]
    prints = [printed(photo) for photo in [*photos, *(shrink(photo, 120) for photo in photos)]]
    monkeypatch.setattr("catalog.building.copies.AT_ONCE", 7)
    assert originals(prints).tolist() == [*range(40), *range(40)]


def test_a_film_of_a_still_thing_is_one_photo_and_is_not_compared_frame_with_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random, still = np.random.default_rng(5), printed(landscape()).whole
    noise = random.integers(0, 2, (200, len(still)), np.uint8)
    film = [
        Fingerprint(bytes(np.frombuffer(still, np.uint8) ^ some), None, (9, 9)) for some in noise
    ]
    compared, similar = [], copies._similar

    def counting(photos: Sequence[Fingerprint], distinct: Sequence[int]) -> dict[int, set[int]]:
        compared.append(len(distinct))
        return similar(photos, distinct)

    monkeypatch.setattr(copies, "AT_ONCE", 20)
    monkeypatch.setattr(copies, "_similar", counting)
    assert set(originals(film).tolist()) == {0}
    assert max(compared) <= 20


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight things with one photo each."""
    folder = tmp_path_factory.mktemp("single")
    for number in range(8):
        (folder / f"thing-{number}").mkdir()
        (folder / f"thing-{number}" / "0.png").write_bytes(png(landscape(number)))
    return folder


@pytest.fixture(scope="module")
def copied(single: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with copies; in the order of names most come before their original."""
    folder = tmp_path_factory.mktemp("copied") / "copied"
    shutil.copytree(single, folder)
    for item in folder.iterdir():
        photo = decode((item / "0.png").read_bytes(), "0.png")
        (item / "0-100.jpg").write_bytes(jpeg(shrink(photo, 100), 75))
        (item / "0-cut.jpg").write_bytes(jpeg(centre(photo, 150), 75))
        shutil.copy(item / "0.png", item / "copy.png")
    return folder


@pytest.mark.slow
def test_a_catalogue_with_copies_is_the_one_without(
    single: Path, copied: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    def made(source: Path, name: str) -> tuple[BuildReport, Bundle]:
        items = read_source(source).items
        report = build(items, tmp_path / name, colour_grid, cache, "Test")
        return report, Bundle.open(tmp_path / name)

    alone, alone_bundle = made(single, "alone")
    report, bundle = made(copied, "with-copies")
    assert (report.items, report.photos) == (alone.items, alone.photos) == (8, 8)
    assert report.calibration == alone.calibration
    assert np.array_equal(bundle.vectors(), alone_bundle.vectors())
    assert [photo.source for photo in bundle.items.photos("thing-3")] == ["0.png"]
    assert bundle.thumbnail(3) == alone_bundle.thumbnail(3)
    assert report.few_photos == alone.few_photos == tuple(f"thing-{n}" for n in range(8))
    assert alone.copies == ()
    assert len(report.copies) == 24
    names = {Path(copy.name).name for copy in report.copies}
    assert names == {"0-100.jpg", "0-cut.jpg", "copy.png"}
    assert {Path(copy.original).name for copy in report.copies} == {"0.png"}
    assert made(copied, "with-copies")[0].reused == 32


@pytest.mark.slow
def test_a_build_says_which_photos_are_copies_and_which_items_look_the_same(
    surroundings: Surroundings, featurizer_folder: Path
) -> None:
    photos = write_things(surroundings.folder / "photos", 3, 3)
    shutil.copy(photos / "thing-00" / "0.png", photos / "thing-00" / "again.png")
    shutil.copy(photos / "thing-00" / "1.png", photos / "thing-02" / "same.png")
    words = ("catalog", "build", photos, "--out", "shop", "--model", featurizer_folder, "--strict")
    done = surroundings.run(*words)
    assert done.returncode == 0
    assert (
        "1 photo is a copy of another of its item and counts as one with it: "
        f"{photos / 'thing-00' / 'again.png'} (of 0.png)" in done.stdout
    )
    assert "these items show the very same picture" in done.stdout
    assert "thing-00 = thing-02" in done.stdout
    report = json.loads(surroundings.run(*words, "--json").stdout)
    again, original = (str(photos / "thing-00" / name) for name in ("again.png", "0.png"))
    assert report["copies"] == [{"name": again, "original": original}]
    assert report["same_picture"] == [["thing-00", "thing-02"]]
    assert report["photos"] == 10


@pytest.mark.slow
def test_queries_that_are_copies_are_counted(
    single: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    build(read_source(single).items, tmp_path / "bundle", colour_grid, cache, "Test")
    asking = tmp_path / "asking" / "thing-2"
    asking.mkdir(parents=True)
    (asking / "new.png").write_bytes(png(landscape(2, view=1)))
    (asking / "copy.jpg").write_bytes(jpeg(shrink(landscape(2), 120), 75))
    (asking / "cut.jpg").write_bytes(jpeg(centre(landscape(2), 150), 75))
    with Bundle.open(tmp_path / "bundle") as bundle:
        found, _ = evaluate(bundle, asking.parent, cache)
    assert (found.queries, found.copies) == (3, 2)


def test_compared_networks_are_not_asked_with_copies(
    colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    photos = write_things(tmp_path / "photos", 3, 2)
    shutil.copy(photos / "thing-01" / "1.png", photos / "thing-01" / "again.png")
    items = read_source(photos).items
    found = compare("grid", colour_grid, items, None, cache)
    assert (found.asked, found.copies, found.asked_copies) == (6, 1, 0)
    found = compare("grid", colour_grid, items, items, cache)
    assert (found.asked, found.copies, found.asked_copies) == (7, 1, 7)


def test_a_grey_or_plain_photo_has_a_fingerprint() -> None:
    file = io.BytesIO()
    PillowImage.new("L", (9, 200), 255).save(file, "PNG")
    assert originals([printed(file.getvalue()), printed(landscape())]).tolist() == [0, 1]
