"""OpenVINO on a GPU, or on the CPU with a word about it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest

from catalog.core.errors import FeaturizerError, SettingsError
from catalog.core.settings import CatalogSettings, load
from catalog.networks.engines.choice import open_engine
from catalog.networks.featurizer import Featurizer
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing


class WithGpu:
    """Stands in for a machine with a GPU: what is compiled for it, the CPU runs."""

    asked: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._core = REAL()
        self.available_devices = ["CPU", "GPU"]

    def read_model(self, path: str) -> Any:
        return self._core.read_model(path)

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        WithGpu.asked += (device,)
        assert device == "CPU" or "INFERENCE_NUM_THREADS" not in settings  # a GPU refuses it
        return self._core.compile_model(model, "CPU", settings)


REAL: Any = openvino.Core


def test_without_a_gpu_the_cpu_runs_it_and_the_log_says_so(
    featurizer_folder: Path, colour_grid: Featurizer, caplog: pytest.LogCaptureFixture
) -> None:
    assert "GPU" not in REAL().available_devices  # else this test has to run elsewhere
    with caplog.at_level(logging.WARNING):
        featurizer = Featurizer.open(featurizer_folder, "openvino:GPU")
    assert featurizer.engine == "openvino"
    assert "openvino cannot use the GPU, so the CPU runs the network" in caplog.text
    assert "it sees CPU" in caplog.text
    pictures = [draw_thing(1), draw_thing(2)]
    assert np.abs(featurizer.embed(pictures) - colour_grid.embed(pictures)).max() < 1e-4


def test_with_a_gpu_it_is_used_and_named(
    featurizer_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(openvino, "Core", WithGpu)
    featurizer = Featurizer.open(featurizer_folder, "openvino:GPU")
    assert featurizer.engine == "openvino:GPU"
    assert WithGpu.asked == ("GPU",)
    assert caplog.text == ""
    assert Featurizer.open(featurizer_folder, featurizer.engine).engine == "openvino:GPU"
    assert Featurizer.open(featurizer_folder, "openvino").engine == "openvino"


def test_the_setting_is_one_word_with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__DEVICE", "GPU")
    assert load("catalog", CatalogSettings).engine == "openvino:GPU"
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__ENGINE", "openvino")
    assert load("catalog", CatalogSettings).engine == "openvino:GPU"
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__ENGINE", "mxnet")
    with pytest.raises(SettingsError, match="device GPU goes with engine openvino"):
        load("catalog", CatalogSettings)
    monkeypatch.setenv("VISUAL_SEARCH_CATALOG__DEVICE", "NPU")
    with pytest.raises(SettingsError, match="VISUAL_SEARCH_CATALOG__DEVICE: "):
        load("catalog", CatalogSettings)


@pytest.mark.parametrize("choice", ["onnxruntime:GPU", "openvino:NPU", "auto:GPU"])
def test_other_engines_and_devices_are_refused(featurizer_folder: Path, choice: str) -> None:
    with pytest.raises(FeaturizerError, match="only openvino runs on another device"):
        open_engine(featurizer_folder / "network.onnx", None, choice)


def test_activate_and_search_go_through_with_it(
    surroundings: Surroundings, small_bundle: Path, things: Path
) -> None:
    photo = sorted(things.rglob("*.png"))[0]
    for words in (("activate", small_bundle), ("search", small_bundle, photo)):
        done = surroundings.run("catalog", *words, VISUAL_SEARCH_CATALOG__DEVICE="GPU")
        assert done.returncode == 0, done.stderr
    assert "openvino cannot use the GPU" in done.stderr
