"""Measured on real photos with real networks."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from catalog.build import build
from catalog.bundle import Bundle
from catalog.cache import FeatureCache
from catalog.engines.engine import CHOICES
from catalog.evaluate import evaluate
from catalog.features import Featurized, featurize
from catalog.featurizer import EMBEDDED, Featurizer, normalised
from catalog.index import noisy_queries
from catalog.materials import materials
from catalog.models import Preprocessing, open_model
from catalog.photos import decode
from catalog.sources import read_source

pytestmark = pytest.mark.materials

QUERIES = 500
MOBILENET_V1_TOP1 = 0.456  # measured elsewhere, with another program
COLOUR_HISTOGRAM_TOP1 = 0.39


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where photos and networks lie."""
    found = materials()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real-cache")


@pytest.fixture(scope="module")
def grocery(folder: Path, real_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The grocery photos by the fastest network."""
    network = folder / "models" / "mobilenet_v1_0.25_128.onnx"
    featurizer = open_model(str(network), Preprocessing(size=128, mean="128", std="128"))
    out = tmp_path_factory.mktemp("real") / "grocery.bundle"
    report = build(
        read_source(folder / "data" / "grocery" / "photos"), out, featurizer, real_cache, "Grocery"
    )
    assert (report.items, report.photos, report.skipped) == (81, 2640, ())
    return Bundle.open(out)


def test_a_known_network_is_as_often_right_as_measured_elsewhere(
    grocery: Bundle, folder: Path, real_cache: Path
) -> None:
    result = evaluate(grocery, folder / "data" / "grocery" / "queries", real_cache, exact=True)
    assert result.queries == 2485
    assert result.top1 == pytest.approx(MOBILENET_V1_TOP1, abs=0.02)
    assert result.top1 < result.top5 < 1


def test_annoy_finds_what_exact_search_finds_on_real_photos(grocery: Bundle) -> None:
    assert grocery.manifest.index.kind == "annoy"
    assert grocery.manifest.index.recall >= 0.99
    queries = noisy_queries(grocery.vectors(), 200, 123)
    same = [
        len(
            {match.sku for match in grocery.search(query, 5)}
            & {match.sku for match in grocery.search(query, 5, exact=True)}
        )
        for query in queries
    ]
    assert np.mean(same) / 5 >= 0.99


def test_engines_agree_on_real_photos(folder: Path) -> None:
    network = folder / "models" / "mobilenet_v2_1.0_224.onnx"
    photos = sorted((folder / "data" / "grocery" / "queries").rglob("*.webp"))[::124][:20]
    pictures = [decode(photo.read_bytes(), photo.name) for photo in photos]
    assert len(pictures) == 20
    one, other = (open_model(str(network), engine=engine).embed(pictures) for engine in CHOICES)
    assert np.abs(one - other).max() < 1e-4


def test_the_embedded_network_beats_a_colour_histogram(folder: Path, real_cache: Path) -> None:
    featurizer = Featurizer.open(EMBEDDED)
    assert json.loads((EMBEDDED / "descriptor.json").read_bytes())["licence"]
    data = folder / "data" / "grocery"
    references = sorted((data / "photos").rglob("*.webp"))
    queries = random.Random(20181130).sample(sorted((data / "queries").rglob("*.webp")), QUERIES)
    cache = FeatureCache(real_cache)
    vectors = []
    for one in featurize(map(str, [*references, *queries]), featurizer, cache, real_cache):
        assert isinstance(one, Featurized)
        vectors.append(one.feature.vector)
    cache.close()
    stacked = normalised(np.stack(vectors))
    nearest = (stacked[len(references) :] @ stacked[: len(references)].T).argmax(1)
    right = [
        references[row].parent.name == query.parent.name
        for row, query in zip(nearest, queries, strict=True)
    ]
    assert np.mean(right) >= COLOUR_HISTOGRAM_TOP1
