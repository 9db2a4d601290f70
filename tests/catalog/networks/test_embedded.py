"""The embedded network: small, the same with every engine, good with unseen things."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from bench.materials import materials
from catalog.networks.engines.checkpoint import PARAMETERS_FILE, SYMBOL_FILE
from catalog.networks.engines.choice import CHOICES
from catalog.networks.engines.params import read_arrays, read_parameters
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import EMBEDDED
from tests.support.drawing import draw_thing

ENGINES = (*CHOICES[1:], "opencv", pytest.param("mxnet", marks=pytest.mark.mxnet))
MOST_BYTES = 8_000_000
MOST_PARAMETERS = 3_000_000
CHECKPOINT = "368b0b8a5812a1e81f5d11800d389eff9226645a7c220f7a4e47c41c839c91bb"


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    return [draw_thing(number, side=90 + 20 * number) for number in range(12)]


@pytest.mark.parametrize("engine", ENGINES)
def test_all_engines_agree_on_the_embedded_network(
    engine: str, pictures: list[NDArray[np.uint8]]
) -> None:
    one = Featurizer.open(EMBEDDED, CHOICES[0]).embed(pictures)
    other = Featurizer.open(EMBEDDED, engine).embed(pictures)
    assert np.abs(one - other).max() < 1e-4


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded network's folder as a bundle holds it."""
    folder = tmp_path_factory.mktemp("written") / "featurizer"
    Featurizer.open().write(folder)
    return folder


def test_it_is_small(written: Path) -> None:
    featurizer = Featurizer.open(written)
    parameters = read_parameters(written / PARAMETERS_FILE)
    assert sum(values.size for values in parameters.values()) <= MOST_PARAMETERS
    assert all(file.stat().st_size <= MOST_BYTES for file in featurizer.files)
    assert {file.name for file in featurizer.files} >= {SYMBOL_FILE, PARAMETERS_FILE}
    assert 128 <= featurizer.dimensions <= 256


def test_a_bundle_holds_the_checkpoint_that_earlier_versions_shipped(written: Path) -> None:
    assert sha256((written / PARAMETERS_FILE).read_bytes()).hexdigest() == CHECKPOINT
    assert (written / SYMBOL_FILE).read_bytes() == (EMBEDDED / SYMBOL_FILE).read_bytes()
    assert not (EMBEDDED / PARAMETERS_FILE).exists(), "its weights ship once"


def test_both_its_files_hold_the_same_numbers(written: Path) -> None:
    initialisers = onnx.load(EMBEDDED / "network.onnx").graph.initializer
    numbers = [onnx.numpy_helper.to_array(tensor) for tensor in initialisers if len(tensor.dims)]
    stored = read_arrays(written / PARAMETERS_FILE)[1]
    assert (
        {array.dtype for array in numbers}
        == {array.dtype for array in stored}
        == {np.dtype(np.float16)}
    )
    assert {array.tobytes() for array in numbers} == {array.tobytes() for array in stored}


def right_first(photos: list[Path]) -> float:
    """Share of photos whose nearest other photo lies in the same folder."""
    featurizer = Featurizer.open()
    vectors = []
    for start in range(0, len(photos), 32):
        decoded = [cv2.imread(str(photo)) for photo in photos[start : start + 32]]
        vectors.append(featurizer.embed([np.asarray(picture, np.uint8) for picture in decoded]))
    joined = np.concatenate(vectors)
    similarity = joined @ joined.T
    np.fill_diagonal(similarity, -2)
    kinds = np.array([photo.parent.name for photo in photos])
    return float((kinds[similarity.argmax(1)] == kinds).mean())


@pytest.mark.slow
@pytest.mark.materials
def test_kinds_of_things_that_it_never_saw_are_told_apart() -> None:
    root = materials()
    assert root is not None
    assert right_first(sorted((root / "data" / "caltech-unseen").glob("*/*.webp"))) >= 0.72


@pytest.mark.slow
@pytest.mark.materials
def test_clothes_that_it_never_saw_are_told_apart() -> None:
    root = materials()
    assert root is not None
    files = sorted((root / "data" / "clothing").glob("*/*.webp"))
    assert right_first([f for f in files if not f.name.startswith("train-")]) >= 0.74
