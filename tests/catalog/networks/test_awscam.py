"""The engine of a DeepLens, over stand-ins of its documented library."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.core.errors import FeaturizerError, SurroundingsError
from catalog.networks.featurizer import Featurizer
from catalog.networks.importing.importer import import_model
from catalog.networks.models import Preprocessing
from catalog.networks.network import EMBEDDED
from tests.support import mxnet_networks
from tests.support.drawing import draw_thing
from tests.support.mxnet_networks import SIDE, save

pytestmark = pytest.mark.mxnet

STAND_INS = Path(__file__).parents[2] / "support" / "deeplens"
NAMES = ("awscam", "mo", "catalog.networks.engines.awscam")


@pytest.fixture
def deeplens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A DeepLens; its stand-in of ``mo``."""
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(STAND_INS))
    yield importlib.import_module("mo")
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(params=[mxnet_networks.residual, mxnet_networks.pooled_classifier])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    saved = save(request.param(), tmp_path / "saved")
    preprocessing = Preprocessing(size=SIDE, mean="10,20,30", std="255", resize="squash")
    import_model(saved.parameter_file, tmp_path / "own", preprocessing)
    return tmp_path / "own"


def test_it_answers_as_the_other_engines(deeplens: Any, folder: Path) -> None:
    pictures = [draw_thing(number, side=50) for number in range(5)]
    awscam = Featurizer.open(folder, "awscam")
    assert awscam.engine == "awscam"
    for other in ("onnxruntime", "openvino", "mxnet"):
        vectors = Featurizer.open(folder, other).embed(pictures)
        assert np.abs(awscam.embed(pictures) - vectors).max() < 1e-4


def test_the_network_is_optimised_once_and_never_in_its_own_folder(
    deeplens: Any, folder: Path, tmp_path: Path
) -> None:
    before = sorted(folder.iterdir())
    Featurizer.open(folder, "awscam").embed([draw_thing(1), draw_thing(2)])
    ((name, width, height, platform, given),) = deeplens.calls
    assert (name, width, height, platform) == ("checkpoint", SIDE, SIDE, "MXNet")
    assert given["--models-dir"] == str(folder)
    assert given["--precision"] == "FP32"
    assert Path(given["--output-dir"]).parent == tmp_path / "cache" / "optimized"
    assert sorted(folder.iterdir()) == before


def test_the_checkpoint_of_a_shipped_network_is_made_in_the_cache(
    deeplens: Any, tmp_path: Path
) -> None:
    pictures = [draw_thing(number, side=170) for number in range(2)]
    vectors = Featurizer.open(EMBEDDED, "awscam").embed(pictures)
    assert np.abs(vectors - Featurizer.open(EMBEDDED, "onnxruntime").embed(pictures)).max() < 1e-4
    ((_, _, _, _, given),) = deeplens.calls
    assert Path(given["--models-dir"]).parent == tmp_path / "cache" / "optimized"


@pytest.mark.parametrize(("status", "words"), [(1, "cannot be converted"), (7, "see its log")])
def test_a_failed_optimisation_is_told(
    deeplens: Any, folder: Path, status: int, words: str
) -> None:
    deeplens.status = status
    with pytest.raises(FeaturizerError, match=rf"status {status}: .*{words}"):
        Featurizer.open(folder, "awscam")


def test_elsewhere_than_on_a_deeplens_it_says_so(folder: Path) -> None:
    with pytest.raises(SurroundingsError, match="only an AWS DeepLens has the package awscam"):
        Featurizer.open(folder, "awscam")


def test_a_network_without_a_checkpoint_is_refused(deeplens: Any, featurizer_folder: Path) -> None:
    with pytest.raises(FeaturizerError, match="awscam runs MXNet checkpoints, and none stands"):
        Featurizer.open(featurizer_folder, "awscam")
