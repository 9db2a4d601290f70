"""What is printed on the photos is read at build, once."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from catalog.building.cache import FeatureCache
from catalog.bundles.bundle import Bundle
from catalog.core.read_line import ReadLine
from catalog.evaluation.evaluate import evaluate
from catalog.networks.text_reader import TextReader, is_installed
from catalog.synthetic.drawing import Label
from catalog.synthetic.labels import front
from tests.conftest import Surroundings

TABLE = """sku,title,photo
4711,4711,label.png
4712,4712,plain.png
almond,Kombrado coffee Almond,
4713,,
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of four items: two have a photo, one of the others has a title."""
    cv2.imwrite(str(tmp_path / "label.png"), front(Label("Zarrovel", "Ginger"), 300, 400))
    cv2.imwrite(str(tmp_path / "plain.png"), front(Label("", "", accent="#2244aa"), 300, 400))
    (tmp_path / "items.csv").write_text(TABLE)
    return tmp_path / "items.csv"


def evaluate_with_words(bundle: Bundle, folder: Path) -> None:
    """An item without a photo is right first where its words are read, and only there."""
    (folder / "labelled" / "almond").mkdir(parents=True)
    shown = folder / "labelled" / "almond" / "1.png"
    cv2.imwrite(str(shown), front(Label("Kombrado", "Almond", "coffee"), 300, 400))
    cache = folder / "cache"
    by_sight, _ = evaluate(bundle, shown.parents[1], cache)
    read, _ = evaluate(bundle, shown.parents[1], cache, reader=TextReader())
    assert (by_sight.top1, read.top1) == (0, 1)


def test_the_cache_keeps_how_surely_a_line_was_read(tmp_path: Path) -> None:
    lines = (ReadLine("Zarrovel", 0.987), ReadLine("Ging", 0.612))
    with closing(FeatureCache(tmp_path)) as cache:
        cache.put_lines("key", lines)
        kept = cache.get_lines("key")
    assert kept is not None
    assert [(line, line.score) for line in kept] == [(line, line.score) for line in lines]


@pytest.mark.slow
def test_photos_are_read_and_items_without_a_photo_kept(
    surroundings: Surroundings, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_installed()
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__READ_TEXT", "true")
    build = ("catalog", "build", table, "--out", tmp_path / "b", "--json")
    report = json.loads(surroundings.run(*build).stdout)
    assert report["only_by_reading"] == ["almond"]
    assert report["without_photos"] == ["4713"]
    assert report["items"] == 3
    assert report["read"] == 2
    with Bundle.open(tmp_path / "b") as bundle:
        (match, *_) = bundle.weigh_words([], ["ZARROVEL", "ginger"])
        assert match.sku == "4711", "by the words on its photo"
        assert bundle.weigh_words([], ["Kombrado", "almond"])[0].sku == "almond"
        assert bundle.item("4713") is None
        evaluate_with_words(bundle, tmp_path)
    shown = tmp_path / "labelled" / "almond" / "1.png"
    found = surroundings.run("catalog", "search", tmp_path / "b", shown, "--read", "--json")
    (answer,) = json.loads(found.stdout)["answers"]
    assert (answer["matches"][0]["sku"], answer["matches"][0]["photo"]) == ("almond", None)
    report = json.loads(surroundings.run(*build, "--no-read").stdout)
    assert report["read"] == 0
    with Bundle.open(tmp_path / "b") as bundle:
        assert bundle.weigh_words([], ["ZARROVEL", "ginger"]) == []
    checked = surroundings.run("catalog", "activate", tmp_path / "b")
    assert checked.returncode == 0, checked.stderr
