"""Projections of long vectors: their loss, and their reuse in later builds."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from catalog.building.build import BuildOptions, build
from catalog.building.cache import FeatureCache
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import verify
from catalog.bundles.validator import validate
from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Vectors, normalised
from catalog.evaluation.evaluate import evaluate
from catalog.networks.featurizer import Featurizer
from catalog.networks.projection import FILE, MOST_DIMENSIONS, Projection, fit, measure, read
from catalog.sources.read import read_source
from tests.conftest import Fill, Surroundings
from tests.support.drawing import draw_thing, write_things
from tests.support.networks import SIDE, write_featurizer

LONG = 700


def long_network() -> onnx.ModelProto:
    """Random directions of small pictures: input (n, 3, 32, 32), ``embedding`` (n, 700)."""
    weights = np.random.default_rng(12).normal(0, 0.2, (3 * 64, LONG)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Relu", ["product"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "long",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", LONG])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_featurizer(tmp_path_factory.mktemp("long"), long_network())


@pytest.fixture(scope="module")
def long_build(made_once: Callable[[str, Fill], Path], long_folder: Path, things: Path) -> Path:
    """A folder with a bundle of shortened vectors, and the cache that its build filled."""

    def fill(folder: Path) -> None:
        source, network = read_source(things).items, Featurizer.open(long_folder)
        build(source, folder / "b", network, folder / "cache", "Long")

    return made_once("long", fill)


@pytest.fixture(scope="module")
def kept_cache(long_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the build of `long_bundle` filled."""
    folder = tmp_path_factory.mktemp("long")
    return Path(shutil.copytree(long_build / "cache", folder / "cache"))


@pytest.fixture(scope="module")
def long_bundle(long_build: Path) -> Path:
    """A bundle of shortened vectors; read only."""
    return long_build / "b"


def vectors(rows: int, rank: int, dimensions: int = LONG, seed: int = 1) -> Vectors:
    """Vectors of length 1 that lie in few directions, but for a little noise."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(0, 1, (rank, dimensions))
    found = random.normal(0, 1, (rows, rank)) @ directions
    found += random.normal(0, 0.05, found.shape)
    return normalised(found.astype(np.float32))


@pytest.mark.parametrize("rows", [3, 100, 255, 400, 1000])
@pytest.mark.parametrize("dimensions", [300, LONG])
def test_similarities_stay_about_what_they_were(rows: int, dimensions: int) -> None:
    given = vectors(rows, 40, dimensions)
    projection = fit(given, "net")
    assert projection.matrix.shape == (dimensions, MOST_DIMENSIONS)
    short = normalised(projection.apply(given))
    assert np.abs(short @ short.T - given @ given.T).max() < 0.02
    asked = vectors(20, 40, dimensions, seed=2)
    difference = normalised(projection.apply(asked)) @ short.T - asked @ given.T
    assert np.abs(difference).mean() < 0.05


def test_what_is_unlike_all_photos_stays_unlike_them() -> None:
    """It holds with few photos too: their directions alone would make all things alike."""
    given = vectors(30, 30)
    stranger = normalised(np.random.default_rng(5).normal(0, 1, (50, LONG)).astype(np.float32))
    stranger = normalised(stranger + 0.3 * given[:1])
    projection = fit(given, "net")
    short = normalised(projection.apply(stranger)) @ normalised(projection.apply(given)).T
    assert np.abs(short - stranger @ given.T).max() < 0.1


def test_more_rows_than_are_learnt_from_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.networks.projection.MOST_ROWS", 500)
    given = vectors(2000, 40)
    short = normalised(fit(given, "net").apply(given))
    assert measure(given, short, ["a"] * len(given)).neighbours_kept > 0.9


def test_the_loss_is_counted_among_the_other_photos() -> None:
    before = normalised(
        np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0, 1]], np.float32)
    )
    after = normalised(before[:, 1:] + 0.01)
    lost = measure(before, after, ["a", "a", "b", "b", "c"])
    assert (lost.dimensions, lost.top1_before) == (3, 1.0)
    assert lost.top1_after is not None
    assert lost.top1_after < 1
    assert measure(before, before, ["a", "a", "b", "b", "c"]).neighbours_kept == 1.0
    assert measure(before, after, list("abcde")).top1_before is None
    assert measure(before[:1], after[:1], ["a"]).neighbours_kept == 1.0


def test_a_build_shortens_and_tells_what_it_cost(long_bundle: Path, things: Path) -> None:
    manifest, _ = verify(long_bundle)
    assert manifest.featurizer.dimensions == MOST_DIMENSIONS
    assert manifest.index.kind == "annoy"
    lost = manifest.featurizer.projection
    assert lost is not None
    assert lost.dimensions == LONG
    assert lost.neighbours_kept > 0.9
    assert f"featurizer/{FILE}" in manifest.files
    assert manifest.featurizer.id != manifest.featurizer.network
    opened = Bundle.open(long_bundle)
    assert opened.featurizer.raw([draw_thing(1)]).shape == (1, LONG)
    assert opened.featurizer.embed([draw_thing(1)]).shape == (1, MOST_DIMENSIONS)
    assert (
        opened.search(opened.featurizer.embed([draw_thing(2, view=8)])[0], 1)[0].sku == "thing-02"
    )
    assert validate(long_bundle).recall >= 0.98


def test_evaluate_asks_with_shortened_vectors(
    long_bundle: Path, things: Path, kept_cache: Path
) -> None:
    assert evaluate(Bundle.open(long_bundle), things, kept_cache)[0].top1 == 1.0


def test_a_later_build_keeps_the_projection_until_told_otherwise(
    long_bundle: Path, long_folder: Path, kept_cache: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(long_bundle, tmp_path / "b"))
    before = verify(out)[0].featurizer.id
    more = read_source(write_things(tmp_path / "more", 9, 4)).items
    featurizer = Featurizer.open(long_folder)
    build(more, out, featurizer, kept_cache, "More")
    assert verify(out)[0].featurizer.id == before
    build(more, tmp_path / "other", featurizer, kept_cache, "More")
    assert verify(tmp_path / "other")[0].featurizer.id != before
    build(more, out, featurizer, kept_cache, "More", BuildOptions(refit_projection=True))
    assert verify(out)[0].featurizer.id == verify(tmp_path / "other")[0].featurizer.id
    assert verify(out)[0].featurizer.network == featurizer.network_id


def test_a_bundles_own_featurizer_brings_its_projection(
    long_bundle: Path, kept_cache: Path, things: Path, tmp_path: Path
) -> None:
    featurizer = Featurizer.open(long_bundle / "featurizer")
    build(read_source(things).items, tmp_path / "b", featurizer, kept_cache, "Again")
    assert verify(tmp_path / "b")[0].featurizer.id == verify(long_bundle)[0].featurizer.id


@pytest.mark.parametrize("content", [b"", b"damaged", None], ids=repr)
def test_a_damaged_projection_is_refused_when_read_and_learnt_anew_by_a_build(
    long_bundle: Path, long_folder: Path, kept_cache: Path, things: Path, tmp_path: Path,
    content: bytes | None,
) -> None:  # fmt: skip
    out = Path(shutil.copytree(long_bundle, tmp_path / "b"))
    file = out / "featurizer" / FILE
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(FeaturizerError, match=r"projection\.npz: not a projection"):
        Featurizer.open(out / "featurizer")
    build(read_source(things).items, out, Featurizer.open(long_folder), kept_cache, "Again")
    assert verify(out)[0].featurizer.id == verify(long_bundle)[0].featurizer.id


def test_a_projection_of_another_network_is_refused(long_folder: Path, tmp_path: Path) -> None:
    featurizer = Featurizer.open(long_folder)
    own = fit(vectors(10, 5), featurizer.network_id)
    replace(own, network_id="another").write(tmp_path)
    with pytest.raises(FeaturizerError, match="made for the network another, this one is"):
        read(tmp_path, featurizer.network_id)
    Projection(np.zeros((3, 2), np.float64), "net").write(tmp_path)
    with pytest.raises(FeaturizerError, match="no float32 matrix"):
        read(tmp_path, "net")


def test_the_cache_holds_unprojected_vectors(
    long_bundle: Path, long_folder: Path, kept_cache: Path, things: Path
) -> None:
    photo = sorted(things.rglob("*.png"))[0]
    cache = FeatureCache(kept_cache)
    network_id = Featurizer.open(long_folder).network_id
    kept = cache.get(hashlib.sha256(photo.read_bytes()).hexdigest(), network_id)
    cache.close()
    assert kept is not None
    assert kept.vector.shape == (LONG,)


def test_short_vectors_are_left_alone(small_bundle: Path) -> None:
    manifest, _ = verify(small_bundle)
    assert manifest.featurizer.projection is None
    assert manifest.featurizer.id == manifest.featurizer.network
    assert f"featurizer/{FILE}" not in manifest.files


def test_build_says_what_it_cost(
    surroundings: Surroundings, long_folder: Path, things: Path, kept_cache: Path
) -> None:
    cache = {"VISUAL_SEARCH_CATALOG__CACHE_DIR": str(kept_cache)}  # no foreign things are drawn
    words = ("catalog", "build", things, "--out", "shop", "--model", long_folder)
    done = surroundings.run(*words, **cache)
    assert done.returncode == 0, done.stderr
    assert "700 numbers a photo were shortened for the index" in done.stdout
    assert "100.0% before" in done.stdout
    assert surroundings.run(*words, "--refit-projection", **cache).returncode == 0
