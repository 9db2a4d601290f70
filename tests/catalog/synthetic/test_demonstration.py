"""The demonstration catalogue and the foreign things, as far as a program can check them."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from catalog.cli.draw import draw
from catalog.core.errors import ContentError, MissingExtraError, VisualSearchError
from catalog.synthetic import fonts, photos
from catalog.synthetic.drawing import Drawing
from catalog.synthetic.foreign import FAMILIES, HELD_OUT, LEARNT, foreign_photos, foreign_things
from catalog.synthetic.icons import ICONS
from catalog.synthetic.items import drawn_items, twins
from catalog.synthetic.labels import LAYOUTS
from catalog.synthetic.render import View, render
from catalog.synthetic.shapes import SHAPES


def test_there_are_enough_items_and_every_one_is_complete() -> None:
    items = drawn_items()
    assert len(items) >= 120
    for item in items:
        assert item.title
        assert item.price.startswith("€")
        assert item.location.startswith("Aisle ")
        assert item.attributes["kind"] == item.kind


def test_skus_titles_and_drawings_are_unique() -> None:
    items = drawn_items()
    for values in (
        [item.sku for item in items],
        [item.title for item in items],
        [item.drawing for item in items],
    ):
        assert len(set(values)) == len(items)


def test_twins_differ_by_their_label_only() -> None:
    pairs = twins()
    assert len(pairs) >= 10
    for item, twin in pairs:
        assert twin.twin == item.sku
        assert replace(item.drawing, label=None) == replace(twin.drawing, label=None)
        first, second = item.drawing.label, twin.drawing.label
        assert first is not None
        assert second is not None
        assert first.brand == second.brand
        assert first.name != second.name
        assert (first.accent, first.icon) != (second.accent, second.icon)


@pytest.mark.parametrize("item", drawn_items(), ids=lambda item: item.sku)
def test_every_item_can_be_drawn(item: object) -> None:
    cutout = render(item, View(yaw=25, pitch=10, roll=5, size=120))  # type: ignore[arg-type]
    height, width = cutout.shape[:2]
    assert cutout.dtype == np.uint8
    assert 112 <= max(height, width) <= 120
    alpha = cutout[..., 3]
    assert (alpha > 0).mean() > 0.1
    for side in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert side.max() > 0, "the cutout is not tight"


@pytest.mark.slow
def test_items_look_different_from_each_other() -> None:
    small = [_on_white(render(item, View(yaw=15, size=64))) for item in drawn_items()]
    flat = np.array([picture.ravel() for picture in small], np.float32)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 150, "two items can hardly be told apart"


def test_a_view_changes_the_picture_and_repeats_exactly() -> None:
    can = drawn_items()[0]
    front = render(can, View(size=160))
    assert np.array_equal(front, render(can, View(size=160)))
    for other in (
        View(yaw=30),
        View(pitch=12),
        View(roll=20),
        View(strength=0.6),
        View(azimuth=50),
    ):
        picture = render(can, replace(other, size=160))
        assert picture.shape != front.shape or np.abs(picture.astype(int) - front).mean() > 2


def test_all_names_in_the_tables_exist() -> None:
    for item in drawn_items():
        assert item.drawing.shape in SHAPES
        label = item.drawing.label
        if label is not None:
            assert label.layout in LAYOUTS
            assert label.icon in ICONS
            assert label.face in fonts.FACES


@pytest.fixture
def few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = drawn_items()[::40]
    monkeypatch.setattr(photos, "drawn_items", lambda: chosen)


@pytest.mark.usefixtures("few_items")
@pytest.mark.slow
def test_the_catalogue_is_written_whole_and_alike_each_time(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    first, second = tmp_path / "first", tmp_path / "second"
    assert not photos.is_complete(first, 2)
    photos.draw_catalogue(first, 2, lambda done, total: heard.append((done, total)))
    photos.draw_catalogue(second, 2)

    total = len(drawn_items()[::40])
    assert heard == [(done, total) for done in range(1, total + 1)]
    assert photos.is_complete(first, 2)
    assert not photos.is_complete(first, 4), "it has fewer photos than asked for"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    assert _digests(first) == _digests(second)

    with (first / "items.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["sku"] for row in rows] == [item.sku for item in drawn_items()[::40]]
    for row in rows:
        places = row["photo"].split("|")
        assert len(places) == 2
        for place in places:
            assert np.asarray(cv2.imread(str(first / place))).shape == (480, 480, 3)


@pytest.mark.usefixtures("few_items")
@pytest.mark.slow
def test_an_interrupted_drawing_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    photos.draw_catalogue(folder, 1)
    before = _digests(folder)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        photos.draw_catalogue(folder, 2, interrupt)
    assert _digests(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue"]


@pytest.mark.slow
def test_the_command_replaces_what_it_drew_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "drawn_items", lambda: drawn_items()[:1])
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own.txt"
    own.touch()
    (tmp_path / "goods").mkdir()
    for folder, said in ((".", "holds something else"), ("own.txt/goods", "cannot be written")):
        refused = CliRunner().invoke(draw, [folder])
        assert isinstance(refused.exception, VisualSearchError)
        assert said in str(refused.exception)
    stamp, drawn = tmp_path / "goods" / photos.STAMP, set()
    for _ in range(2):  # what is drawn stays
        done = CliRunner().invoke(draw, ["goods"])
        assert done.output == f"{len(drawn_items())} items and items.csv in goods\n"
        drawn.add(stamp.stat().st_ctime_ns)
    assert len(drawn) == 1
    assert len(list(stamp.parent.rglob("*.jpg"))) == 4
    stamp.write_text(f"{'0' * 64}\n")
    photos.check_replaceable(stamp.parent)  # of an earlier version
    stamp.write_bytes(b"\xffmine")
    with pytest.raises(ContentError, match="holds something else"):
        photos.check_replaceable(stamp.parent)
    assert own.exists()


def test_missing_fonts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_font_packages(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[demo\]'"):
        fonts.font("sans", 20)


def test_foreign_pictures_do_not_need_the_font_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(foreign_photos(3, 12, 96))
    _without_font_packages(monkeypatch)
    after = list(foreign_photos(3, 12, 96))
    assert all(np.array_equal(first, second) for first, second in zip(before, after, strict=True))
    assert all(picture.shape == (96, 96, 3) and picture.dtype == np.uint8 for picture in before)


def test_other_seeds_give_other_things() -> None:
    first, second = (list(foreign_things(seed, 2 * len(FAMILIES))) for seed in (1, 2))
    assert {thing.title for thing in first} == set(FAMILIES)
    assert not {thing.drawing for thing in first} & {thing.drawing for thing in second}
    assert [thing.drawing for thing in first] == [
        thing.drawing for thing in foreign_things(1, len(first))
    ]


def test_no_foreign_thing_is_in_the_catalogue() -> None:
    brands = {item.attributes.get("brand") for item in drawn_items()}
    for thing in foreign_things(5, 3 * len(FAMILIES)):
        assert thing.drawing.label is None or thing.drawing.label.brand not in brands


def test_what_was_learnt_from_is_kept_apart_from_what_is_measured() -> None:
    assert not set(LEARNT) & set(HELD_OUT)
    assert set(LEARNT) | set(HELD_OUT) == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_foreign_family_can_be_drawn(family: str) -> None:
    for thing in foreign_things(8, 3, [family]):
        assert isinstance(thing.drawing, Drawing)
        assert render(thing, View(yaw=-20, size=100))[..., 3].max() == 255


def _on_white(cutout: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cutout on white, (64, 64, 3), blurred so that only what is plain to see counts."""
    canvas = np.full((64, 64, 3), 255, np.float32)
    height, width = cutout.shape[:2]
    inside = canvas[(64 - height) // 2 :, (64 - width) // 2 :][:height, :width]
    inside += (cutout[..., :3] - inside) * (cutout[..., 3:] / 255)
    return np.asarray(cv2.resize(canvas, (32, 32), interpolation=cv2.INTER_AREA), np.uint8)


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _without_font_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "find_spec", lambda name: None)
    fonts.font.cache_clear()
    fonts.path.cache_clear()
