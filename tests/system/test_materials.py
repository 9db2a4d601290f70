"""Measured on real photos with real networks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from bench.materials import materials
from catalog.building.build import build
from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import photo_queries
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.bundles.bundle import Bundle
from catalog.core.photos import decode
from catalog.core.vectors import normalised
from catalog.evaluation.evaluate import evaluate
from catalog.networks.engines.choice import CHOICES
from catalog.networks.featurizer import Featurizer
from catalog.networks.importing.convert import convert, find_checkpoint
from catalog.networks.importing.importer import import_model
from catalog.networks.models import Preprocessing, open_model
from catalog.networks.network import EMBEDDED
from catalog.recognition.index import noisy_queries
from catalog.sources.read import read_source
from tests.conftest import Fill

pytestmark = pytest.mark.materials

QUERIES = 500
ENGINES = (*CHOICES, "mxnet")
FEW = 20  # local features of a photo
SMALL = 64  # pixels of the pictures that they are of
FEW_QUERIES = 40  # that calibrate
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
def grocery(folder: Path, made_once: Callable[[str, Fill], Path]) -> Bundle:
    """The grocery photos by the fastest network.

    What is asked of it are vectors; with few local features, of small pictures, and few queries,
    the build is short.
    """
    network = folder / "models" / "mobilenet_v1_0.25_128.onnx"
    featurizer = open_model(str(network), Preprocessing(size=128, mean="128", std="128"))
    photos = read_source(folder / "data" / "grocery" / "photos").items

    def fill(made: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("catalog.building.build.PER_PHOTO", FEW)
            patch.setattr("catalog.recognition.local_features.extract.SIDE", SMALL)
            few = partial(photo_queries, most=FEW_QUERIES)
            patch.setattr("catalog.building.build.photo_queries", few)
            report = build(photos, made / "grocery.bundle", featurizer, made / "cache", "Grocery")
        assert (report.items, report.photos, report.skipped) == (81, 2640, ())

    return Bundle.open(made_once("grocery", fill) / "grocery.bundle")


def test_a_known_network_is_as_often_right_as_measured_elsewhere(
    grocery: Bundle, folder: Path, real_cache: Path
) -> None:
    queries = folder / "data" / "grocery" / "queries"
    result, _ = evaluate(grocery, queries, real_cache, exact=True, vectors_only=True)
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


def test_the_packaged_efficientnet_answers_as_the_reference_file(
    folder: Path, tmp_path: Path
) -> None:
    packaged = open_model("efficientnet-lite0", cache=tmp_path)
    reference = open_model(
        str(folder / "models" / "efficientnet_lite0.onnx"), Preprocessing(mean="127", std="128")
    )
    photos = sorted((folder / "data" / "grocery" / "queries").rglob("*.webp"))[::248][:10]
    pictures = [decode(photo.read_bytes(), photo.name) for photo in photos]
    one, other = (normalised(each.raw(pictures)) for each in (packaged, reference))
    assert np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize(("layer", "key"), [(None, "embedding"), ("fc1", "logits")])
def test_a_network_of_all_traps_answers_as_mxnet_did(
    folder: Path, layer: str | None, key: str
) -> None:
    checkpoint = folder / "models" / "mxnet" / "tiny_bn-0007.params"
    expected = np.load(folder / "models" / "mxnet" / "tiny_bn-expected.npz")
    height, width = expected["data"].shape[2:]
    made = convert(*find_checkpoint(checkpoint), layer, height, width)
    answer = _run(made.model, expected["data"])
    assert np.abs(answer - expected[key]).max() < 1e-4


@pytest.mark.parametrize("side", [224, 227])
@pytest.mark.parametrize(("layer", "key"), [(None, "embedding"), ("flatten", "logits")])
def test_a_real_checkpoint_answers_as_mxnet_did(
    folder: Path, side: int, layer: str | None, key: str
) -> None:
    checkpoint = folder / "models" / "mxnet" / "squeezenet_v1.0-0000.params"
    expected = np.load(folder / "models" / "mxnet" / "squeezenet_v1.0-expected.npz")
    made = convert(*find_checkpoint(checkpoint), layer, side, side)
    image = expected[f"image_bgr_{side}"].reshape(-1, 3, side, side)
    data = image - np.array([104, 117, 123], np.float32).reshape(3, 1, 1)
    wanted = expected[f"{key}_{side}"].reshape(len(data), -1)
    assert np.abs(_run(made.model, data) - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.mxnet
def test_engines_agree_on_a_real_checkpoint(folder: Path, tmp_path: Path) -> None:
    preprocessing = Preprocessing(size=227, channels="bgr", mean="104,117,123", std="1")
    checkpoint = folder / "models" / "mxnet" / "squeezenet_v1.0-symbol.json"
    import_model(checkpoint, tmp_path / "own", preprocessing)
    photos = sorted((folder / "data" / "grocery" / "queries").rglob("*.webp"))[::248][:10]
    pictures = [decode(photo.read_bytes(), photo.name) for photo in photos]
    vectors = [Featurizer.open(tmp_path / "own", one).embed(pictures) for one in ENGINES]
    assert max(np.abs(one - vectors[0]).max() for one in vectors) < 1e-4
    onnx_file = folder / "models" / "squeezenet1_0.onnx"
    assert np.abs(open_model(str(onnx_file), preprocessing).embed(pictures) - vectors[0]).max() < (
        1e-4
    )


def _run(model: onnx.ModelProto, data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answer: np.ndarray[Any, Any] = session.run(None, {"input": data})[0]
    return answer


def test_the_embedded_network_beats_a_colour_histogram(folder: Path, real_cache: Path) -> None:
    featurizer = Featurizer.open(EMBEDDED)
    assert json.loads((EMBEDDED / "descriptor.json").read_bytes())["licence"]
    data = folder / "data" / "grocery"
    references = sorted((data / "photos").rglob("*.webp"))
    queries = random.Random(20181130).sample(sorted((data / "queries").rglob("*.webp")), QUERIES)
    cache = FeatureCache(real_cache)
    vectors = []
    for one in featurize(map(str, [*references, *queries]), featurizer, cache):
        assert isinstance(one, FeaturizedPhoto)
        vectors.append(one.feature.vector)
    cache.close()
    stacked = normalised(np.stack(vectors))
    nearest = (stacked[len(references) :] @ stacked[: len(references)].T).argmax(1)
    right = [
        references[row].parent.name == query.parent.name
        for row, query in zip(nearest, queries, strict=True)
    ]
    assert np.mean(right) >= COLOUR_HISTOGRAM_TOP1
