"""The comparison of networks, counted by hand on drawn things."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from catalog.core.errors import ContentError
from catalog.evaluation.compare import compare
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from tests.catalog.networks.test_projection import long_network
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, png, write_things
from tests.support.networks import two_outputs, write_featurizer, write_network


def by_hand(featurizer: Featurizer, photos: dict[str, list[Path]]) -> tuple[int, float, float]:
    """Return the number of queries, top-1 and top-5 with each photo as a query to all others."""
    from catalog.core.photos import decode

    rows = [(sku, file) for sku, files in photos.items() for file in files]
    vectors = featurizer.embed([decode(file.read_bytes(), file.name) for _, file in rows])
    first = among = asked = 0
    for row, (sku, _) in enumerate(rows):
        if len(photos[sku]) < 2:
            continue
        asked += 1
        order = np.argsort(-(vectors @ vectors[row]), kind="stable")
        ranking = list(dict.fromkeys(rows[place][0] for place in order if place != row))
        first += ranking[0] == sku
        among += sku in ranking[:5]
    return asked, first / asked, among / asked


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Nine things in two views, hard to tell apart for two of them, and one with one photo."""
    folder = write_things(tmp_path / "labelled", 9, 2)
    (folder / "thing-03" / "1.png").write_bytes(png(draw_thing(5, view=77)))
    (folder / "lone").mkdir()
    (folder / "lone" / "0.png").write_bytes(png(draw_thing(3, view=78)))
    return folder


def test_each_photo_asks_among_all_others(
    labelled: Path, colour_grid: Featurizer, tmp_path: Path
) -> None:
    reported: list[tuple[int, int]] = []
    found = compare(
        "grid", colour_grid, read_source(labelled).items, None, tmp_path / "cache",
        lambda *done: reported.append(done),
    )  # fmt: skip
    photos = {folder.name: sorted(folder.iterdir()) for folder in sorted(labelled.iterdir())}
    assert (found.asked, found.top1, found.top5) == pytest.approx(
        by_hand(colour_grid, photos), abs=1e-4
    )
    assert found.asked == 18
    assert found.top1 < 1
    assert reported == [(number, 19) for number in range(1, 20)]
    assert (found.dimensions, found.network_dimensions) == (48, 48)
    assert 0 < found.milliseconds < 1000
    assert found.megabytes == round(colour_grid.networks[0].path.stat().st_size / 1e6, 1)


def test_other_photos_may_ask(labelled: Path, colour_grid: Featurizer, tmp_path: Path) -> None:
    asking = tmp_path / "asking"
    for sku, thing in (("thing-01", 1), ("thing-02", 2), ("nobody", 4)):
        (asking / sku).mkdir(parents=True)
        (asking / sku / "a.png").write_bytes(png(draw_thing(thing, view=50)))
    found = compare(
        "grid",
        colour_grid,
        read_source(labelled).items,
        read_source(asking).items,
        tmp_path / "cache",
    )
    assert (found.asked, found.top1, found.top5) == (3, 0.6667, 0.6667)


def test_long_vectors_are_measured_as_a_bundle_would_hold_them(
    labelled: Path, tmp_path: Path
) -> None:
    featurizer = Featurizer.open(write_featurizer(tmp_path / "long", long_network()))
    found = compare("long", featurizer, read_source(labelled).items, None, tmp_path / "cache")
    assert (found.dimensions, found.network_dimensions) == (256, 700)
    assert featurizer.projection is None


def test_unusable_photos_are_named(labelled: Path, colour_grid: Featurizer, tmp_path: Path) -> None:
    (labelled / "thing-01" / "2.png").write_bytes(b"spoilt")
    found = compare("grid", colour_grid, read_source(labelled).items, None, tmp_path / "cache")
    assert [Path(photo.name).name for photo in found.skipped] == ["2.png"]
    assert found.asked == 18


def test_without_a_second_photo_nobody_can_ask(colour_grid: Featurizer, tmp_path: Path) -> None:
    folder = write_things(tmp_path / "single", 3, 1)
    with pytest.raises(ContentError, match="no item has two photos, so none can ask"):
        compare("grid", colour_grid, read_source(folder).items, None, tmp_path / "cache")


def test_compare_by_command(
    surroundings: Surroundings, labelled: Path, featurizer_folder: Path, tmp_path: Path
) -> None:
    write_featurizer(tmp_path / "mean", two_outputs())
    descriptor = tmp_path / "mean" / "descriptor.json"
    descriptor.write_text(descriptor.read_text().replace('"embedding"', '"mean"'))
    words = ("--model", featurizer_folder, "--model", tmp_path / "mean")
    done = surroundings.run("catalog", "compare", labelled, *words, "--json")
    assert done.returncode == 0, done.stderr
    grid, mean = json.loads(done.stdout)
    assert grid["model"] == str(featurizer_folder)
    assert (grid["dimensions"], mean["dimensions"]) == (48, 3)
    assert grid["asked"] == mean["asked"] == 18
    done = surroundings.run("catalog", "compare", labelled, *words, "--queries", labelled)
    assert "100.0%" in done.stdout
    assert "19 photos asked" in done.stdout


def test_an_onnx_file_is_to_be_imported_first(surroundings: Surroundings, labelled: Path) -> None:
    network = write_network(two_outputs(), surroundings.folder / "net.onnx")
    done = surroundings.run("catalog", "compare", labelled, "--model", network)
    assert done.returncode == 1
    assert f"import it first with: visual-search catalog model import {network}" in done.stderr
