"""How often a bundle is right: counted on labelled photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundle import Bundle
from catalog.errors import ContentError
from catalog.evaluate import evaluate
from tests.drawing import draw_thing, png, write_things


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Six photos: four right, one with a wrong label, one of a sku that is not held."""
    folder = tmp_path / "labelled"
    for sku, thing in (("thing-01", 1), ("thing-02", 2), ("thing-03", 3), ("thing-04", 4)):
        (folder / sku).mkdir(parents=True)
        (folder / sku / "a.png").write_bytes(png(draw_thing(thing, view=50)))
    (folder / "thing-01" / "b.png").write_bytes(png(draw_thing(5, view=51)))
    (folder / "stranger").mkdir()
    (folder / "stranger" / "a.png").write_bytes(png(draw_thing(0, view=52)))
    return folder


@pytest.mark.parametrize("exact", [False, True])
def test_fractions_count_the_first_and_the_first_five(
    small_bundle: Path, labelled: Path, cache: Path, exact: bool
) -> None:
    bundle = Bundle.open(small_bundle)
    result = evaluate(bundle, labelled, cache, exact)
    assert result.queries == 6
    assert result.top1 == pytest.approx(4 / 6)
    query = bundle.featurizer.embed([draw_thing(5, view=51)])[0]
    last = "thing-01" in [match.sku for match in bundle.search(query, 5, exact)]
    assert result.top5 == pytest.approx((4 + last) / 6)
    assert result.foreign_labels == ("stranger",)
    assert result.skipped == ()


def test_things_below_the_threshold_are_counted_as_unknown(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    threshold = bundle.manifest.calibration.unknown_below
    pictures = [draw_thing(number, view=60) for number in range(20)]
    (tmp_path / "labelled" / "thing-00").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        (tmp_path / "labelled" / "thing-00" / f"{number}.png").write_bytes(png(picture))
    below = [
        bundle.search(vector, 1, exact=True)[0].similarity < threshold
        for vector in bundle.featurizer.embed(pictures)
    ]
    result = evaluate(bundle, tmp_path / "labelled", cache, exact=True)
    assert result.unknown == pytest.approx(sum(below) / 20)
    assert any(below[6:])
    assert not all(below[:6])


def test_unusable_photos_are_named_and_not_counted(
    small_bundle: Path, labelled: Path, cache: Path
) -> None:
    (labelled / "thing-02" / "b.png").write_bytes(b"spoilt")
    result = evaluate(Bundle.open(small_bundle), labelled, cache)
    assert result.queries == 6
    assert [(Path(one.name).name, one.reason) for one in result.skipped] == [
        ("b.png", "not a picture that can be read")
    ]


def test_progress_reaches_the_end(small_bundle: Path, labelled: Path, cache: Path) -> None:
    told: list[tuple[int, int]] = []
    evaluate(Bundle.open(small_bundle), labelled, cache, progress=lambda *done: told.append(done))
    assert told == [(number, 6) for number in range(1, 7)]


def test_a_folder_without_labelled_photos_is_refused(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    write_things(tmp_path / "flat", 1, 1)
    for folder in (tmp_path / "flat" / "thing-00", tmp_path / "absent"):
        with pytest.raises(ContentError, match="wanted is a folder for each sku"):
            evaluate(bundle, folder, cache)
