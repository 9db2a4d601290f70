"""Exact search and Annoy: the same neighbours, the same bytes, grouped by item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.core.errors import BundleError
from catalog.networks.featurizer import Featurizer
from catalog.recognition.index import (
    NEIGHBOURS,
    TARGET_RECALL,
    Annoy,
    Exact,
    build_annoy,
    choose_index,
    neighbours,
    noisy_queries,
    recall,
)
from catalog.sources.read import read_source
from tests.support.drawing import draw_thing, png, write_things


def clustered(rows: int, dimensions: int, seed: int = 1) -> NDArray[np.float16]:
    """Vectors of length 1 like those of photos: a few of each thing lie near each other."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((rows // 4 + 1, dimensions))
    vectors = centres[np.arange(rows) // 4] + 0.4 * random.standard_normal((rows, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors, np.float16)


def test_exact_search_finds_the_nearest_best_first() -> None:
    vectors = clustered(500, 32)
    query = noisy_queries(vectors, 1, 3)[0]
    rows, similarities = Exact(vectors).nearest(query, 20)
    truth = vectors.astype(np.float32) @ query
    assert rows.tolist() == np.argsort(-truth)[:20].tolist()
    assert similarities == pytest.approx(np.sort(truth)[::-1][:20])


def test_exact_search_gives_no_more_rows_than_there_are() -> None:
    rows, similarities = Exact(clustered(3, 8)).nearest(np.eye(8, dtype=np.float32)[0], 10)
    assert sorted(rows) == [0, 1, 2]
    assert len(similarities) == 3


def test_annoy_gives_cosine_similarities(tmp_path: Path) -> None:
    vectors = clustered(300, 32)
    build_annoy(vectors, tmp_path / "index.ann", 20)
    index = Annoy(tmp_path / "index.ann", 32, 5000)
    query = noisy_queries(vectors, 1, 3)[0]
    rows, similarities = index.nearest(query, 10)
    assert len(index) == 300
    assert similarities == pytest.approx(vectors.astype(np.float32)[rows] @ query, abs=1e-3)
    assert (np.diff(similarities) <= 1e-6).all()


def test_annoy_is_the_same_bytes_for_the_same_rows(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        build_annoy(clustered(1000, 64), tmp_path / name, 20)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_an_index_file_may_be_read_by_everyone_who_may_read_the_folder(tmp_path: Path) -> None:
    build_annoy(clustered(10, 16), tmp_path / "index.ann", 5)
    (tmp_path / "other").touch()
    assert (tmp_path / "index.ann").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_noisy_queries_lie_at_cosine_0_8_from_a_row() -> None:
    vectors = clustered(200, 64)
    queries = noisy_queries(vectors, 50, 5)
    random = np.random.default_rng(5)
    rows = vectors[random.integers(0, 200, 50)].astype(np.float32)
    assert np.linalg.norm(queries, axis=1) == pytest.approx(1, abs=1e-3)
    assert (queries * rows).sum(1) == pytest.approx(0.8, abs=2e-3)
    assert (noisy_queries(vectors, 50, 5) == queries).all()


@pytest.mark.parametrize(("rows", "dimensions"), [(5, 16), (300, 48), (2500, 64)])
@pytest.mark.slow
def test_the_chosen_index_finds_99_of_100_true_neighbours_of_fresh_queries(
    tmp_path: Path, rows: int, dimensions: int
) -> None:
    vectors = clustered(rows, dimensions)
    choice = choose_index(vectors, tmp_path / "index.ann")
    assert choice.kind == "annoy"
    assert choice.recall >= TARGET_RECALL
    queries = noisy_queries(vectors, 300, 99)
    expected = neighbours(Exact(vectors), queries, min(NEIGHBOURS, rows))
    measured = recall(Annoy(tmp_path / "index.ann", dimensions, choice.search_k), queries, expected)
    assert measured >= TARGET_RECALL - 0.005


@pytest.mark.slow
def test_where_annoy_cannot_reach_the_recall_the_choice_is_exact_and_says_why(
    tmp_path: Path,
) -> None:
    alike = clustered(2, 16)[np.arange(40) % 2]  # which of 20 equal rows come first is chance
    choice = choose_index(alike, tmp_path / "index.ann")
    assert (choice.kind, choice.recall) == ("exact", 1.0)
    assert choice.reason.startswith("Annoy found only ")
    assert choice.reason.endswith("in 16 dimensions")


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.ann").write_bytes(b"x" * 1001)
    with pytest.raises(BundleError, match=r"index\.ann: Annoy cannot load it"):
        Annoy(tmp_path / "index.ann", 16, 100)


@pytest.mark.parametrize("exact", [False, True])
def test_matches_are_items_by_their_best_photo_best_first(small_bundle: Path, exact: bool) -> None:
    bundle = Bundle.open(small_bundle)
    query = bundle.featurizer.embed([draw_thing(2, view=99)])[0]
    matches = bundle.search(query, 6, exact=exact)
    similarities = bundle.vectors().astype(np.float32) @ query
    best: dict[str, float] = {}
    for sku, similarity in zip(bundle.items.skus, similarities.tolist(), strict=True):
        best[sku] = max(similarity, best.get(sku, -1))
    assert [match.sku for match in matches] == sorted(best, key=lambda sku: -best[sku])
    assert matches[0].sku == "thing-02"
    for match in matches:
        assert match.photo is not None
        assert match.similarity == pytest.approx(best[match.sku], abs=1e-3)
        assert match.similarity == pytest.approx(similarities[match.photo], abs=1e-3)
        assert bundle.items.skus[match.photo] == match.sku


def test_similarities_stay_within_minus_one_and_one(small_bundle: Path) -> None:
    bundle = Bundle.open(small_bundle)
    for vector in bundle.vectors().astype(np.float32):
        for match in bundle.search(vector * np.float32(1.001), 6, exact=True):
            assert -1 <= match.similarity <= 1


@pytest.fixture(scope="module")
def crowded(
    tmp_path_factory: pytest.TempPathFactory,
    colour_grid: Featurizer,
    filled_cache: Path,
    small_bundle: Path,
) -> Bundle:
    """One item with 300 photos beside eight with two."""
    folder = tmp_path_factory.mktemp("crowded")
    photos = write_things(folder / "photos", 8, 2)
    crowd = photos / "crowd"
    crowd.mkdir()
    for view in range(300):
        (crowd / f"{view:03}.png").write_bytes(png(draw_thing(40, view)))
    out = folder / "crowded.bundle"
    build(read_source(photos).items, out, colour_grid, filled_cache, "Crowded")
    return Bundle.open(out)


@pytest.mark.parametrize("exact", [False, True])
def test_an_item_with_hundreds_of_photos_does_not_crowd_out_others(
    crowded: Bundle, exact: bool
) -> None:
    query = crowded.featurizer.embed([draw_thing(40, view=999)])[0]
    for count in (1, 5, 9, 50):
        skus = [match.sku for match in crowded.search(query, count, exact=exact)]
        assert len(skus) == len(set(skus)) == min(count, 9)
        assert skus[0] == "crowd"


def test_annoy_and_exact_search_name_the_same_items(crowded: Bundle) -> None:
    for number in range(8):
        query = crowded.featurizer.embed([draw_thing(number, view=77)])[0]
        annoy, by_exact_search = (
            [match.sku for match in crowded.search(query, 5, exact=exact)]
            for exact in (False, True)
        )
        assert annoy == by_exact_search
