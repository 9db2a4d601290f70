"""How often a bundle is right: counted on labelled photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.core.errors import ContentError
from catalog.core.photos import decode
from catalog.evaluation.charts import BLUE, draw_reliability, draw_trade_off
from catalog.evaluation.evaluate import evaluate
from catalog.evaluation.metrics import calibration_error
from catalog.sources.source import ReadOptions
from tests.support.drawing import draw_thing, png, write_things


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Six photos: four right, one with a wrong label, one of a sku that the bundle lacks."""
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
    result, _ = evaluate(bundle, labelled, cache, exact=exact)
    assert result.queries == 6
    assert result.top1 == pytest.approx(4 / 6)
    look = draw_thing(5, view=51)
    query = bundle.featurizer.embed([look])[0]
    found = bundle.identify(query, bundle.describe(look), 5, exact=exact)
    last = "thing-01" in [match.sku for match in found]
    assert result.top5 == pytest.approx((4 + last) / 6)
    assert result.foreign_labels == ("stranger",)
    assert result.skipped == ()


def test_things_below_the_threshold_are_counted_as_unknown(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    threshold = bundle.manifest.calibration.rejection_threshold
    pictures = [draw_thing(number, view=60) for number in range(20)]
    (tmp_path / "labelled" / "thing-00").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        (tmp_path / "labelled" / "thing-00" / f"{number}.png").write_bytes(png(picture))
    below = [
        sum(match.confidence or 0 for match in bundle.identify(vector, seen, exact=True)[:3])
        < threshold
        for vector, seen in zip(
            bundle.featurizer.embed(pictures), map(bundle.describe, pictures), strict=True
        )
    ]
    result, _ = evaluate(bundle, tmp_path / "labelled", cache, exact=True)
    assert result.unknown == pytest.approx(sum(below) / 20)
    assert any(below[6:])
    assert not all(below[:6])


def test_photos_of_which_none_can_be_used_are_an_error(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    (tmp_path / "labelled" / "thing-00").mkdir(parents=True)
    (tmp_path / "labelled" / "thing-00" / "0.jpg").write_bytes(b"")
    with pytest.raises(ContentError, match=r"labelled: none of its photos .*0\.jpg: the file is"):
        evaluate(Bundle.open(small_bundle), tmp_path / "labelled", cache)


def test_plain_neighbours_are_what_the_index_gives(
    small_bundle: Path, labelled: Path, cache: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    result, answers = evaluate(bundle, labelled, cache, vectors_only=True)
    assert result.top1 == pytest.approx(4 / 6)
    assert result.unknown is None
    assert all(match.confidence is None for answer in answers for match in answer.matches)


def test_foreign_photos_are_measured_beside_what_was_predicted(
    small_bundle: Path, labelled: Path, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path / "foreign"
    (folder / "deep").mkdir(parents=True)
    for number in range(10):
        (folder / "deep" / f"{number}.png").write_bytes(png(draw_thing(40 + number)))
    bundle = Bundle.open(small_bundle)
    result, answers = evaluate(bundle, labelled, cache, foreign=folder)
    assert result.queries == 6
    assert result.foreign_asked == 11, "the stranger among the labelled photos is foreign too"
    assert sum(answer.sku is None for answer in answers) == 11
    for shares in (result.known, result.foreign):
        assert shares is not None
        assert sum(shares.model_dump().values()) == pytest.approx(1)
    assert result.foreign is not None
    assert result.foreign.right == 0
    assert result.auroc == pytest.approx(
        np.mean(
            [
                (known.confidence > other.confidence) + (known.confidence == other.confidence) / 2
                for known in answers
                for other in answers
                if known.sku is not None and other.sku is None
            ]
        )
    )
    assert result.held is not None


def test_labelled_and_foreign_photos_are_read_as_a_build_reads_them(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    labelled, foreign = tmp_path / "labelled", tmp_path / "foreign"
    for place in ("A/thing-01/0", "A/thing-02/0.png", "B/thing-03/front/0.jfif"):
        (labelled / place).parent.mkdir(parents=True)
        (labelled / place).write_bytes(png(draw_thing(1)))
    (labelled / "A" / "thing-01" / "Thumbs.db").write_bytes(b"x")
    for place in ("x/0", "@eaDir/0.png/thumb.png", ".trash/0.png"):
        (foreign / place).parent.mkdir(parents=True)
        (foreign / place).write_bytes(png(draw_thing(40)))
    bundle = Bundle.open(small_bundle)
    result, answers = evaluate(bundle, labelled, cache, foreign=foreign)
    assert (result.queries, result.foreign_asked, result.skipped) == (3, 1, ())
    assert [answer.sku for answer in answers] == ["thing-01", "thing-02", "thing-03", None]
    top = evaluate(bundle, labelled, cache, reading=ReadOptions("top"))[0]
    assert top.foreign_labels == ("A", "B")


def test_the_calibration_error_is_the_mean_gap_of_fifteen_bins() -> None:
    sure = np.array([0.01, 0.02, 0.95, 0.99, 0.97, 0.99])
    right = np.array([False, True, True, True, True, False])
    expected = 2 / 6 * abs(0.015 - 0.5) + 4 / 6 * abs(sure[2:].mean() - 0.75)
    assert calibration_error(sure, right) == pytest.approx(expected)


def test_charts_are_pictures_that_show_the_answers(
    small_bundle: Path, labelled: Path, tmp_path: Path, cache: Path
) -> None:
    _, answers = evaluate(Bundle.open(small_bundle), labelled, cache)
    draw_reliability(answers, tmp_path / "reliability.png")
    draw_trade_off(answers, 0.5, tmp_path / "trade-off.png")
    for name in ("reliability.png", "trade-off.png"):
        drawn = decode((tmp_path / name).read_bytes(), name)
        colours = {tuple(pixel) for pixel in drawn.reshape(-1, 3)}
        assert BLUE in colours, "the answers' colour"


def test_unusable_photos_are_named_and_not_counted(
    small_bundle: Path, labelled: Path, cache: Path
) -> None:
    (labelled / "thing-02" / "b.png").write_bytes(b"spoilt")
    result, _ = evaluate(Bundle.open(small_bundle), labelled, cache)
    assert result.queries == 6
    assert [(Path(photo.name).name, photo.reason) for photo in result.skipped] == [
        ("b.png", "not a picture that can be read")
    ]


def test_progress_reaches_the_end(small_bundle: Path, labelled: Path, cache: Path) -> None:
    reported: list[tuple[int, int]] = []
    evaluate(
        Bundle.open(small_bundle), labelled, cache, progress=lambda *done: reported.append(done)
    )
    assert reported == [(number, 6) for number in range(1, 7)]


def test_a_folder_without_labelled_photos_is_refused(
    small_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    write_things(tmp_path / "flat", 1, 1)
    for folder in (tmp_path / "flat" / "thing-00", tmp_path / "absent"):
        with pytest.raises(ContentError, match="wanted is a folder for each sku"):
            evaluate(bundle, folder, cache)
