"""Engines: they agree, they choose the right output, and their absence is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.base import choose_output
from catalog.networks.engines.choice import CHOICES, installed, open_engine
from catalog.networks.engines.onnxruntime import refuse_untried
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import EMBEDDED
from tests.support import networks
from tests.support.drawing import draw_thing
from tests.support.networks import SIDE, write_featurizer, write_network

ROOT = Path(__file__).parents[3]
# Packages that cannot be imported, as if they were not installed.
WITHOUT = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from pathlib import Path
from catalog.networks.engines.choice import installed
from catalog.core.errors import MissingExtraError
from catalog.networks.featurizer import Featurizer
print(*installed())
try:
    print(Featurizer.open(Path({folder!r}), {choice!r}).engine)
except MissingExtraError as error:
    print(error)
"""


def run_without(blocked: tuple[str, ...], folder: Path, choice: str) -> list[str]:
    """Output lines of a process in which some packages are missing."""
    program = WITHOUT.format(blocked=blocked, folder=str(folder), choice=choice)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def test_an_onnxruntime_that_nobody_tried_is_refused_before_it_is_imported(tmp_path: Path) -> None:
    package, about = tmp_path / "onnxruntime", tmp_path / "onnxruntime-1.33.0.dist-info"
    for folder in (package, about):
        folder.mkdir()
    (package / "__init__.py").write_text("print('imported')")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.33.0\n")
    program = (
        "from catalog.networks.engines.choice import installed\n"
        "print(*installed())\n"
        "import catalog.networks.engines.onnxruntime\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.stdout.split() == ["openvino"]
    assert "onnxruntime 1.33.0 is newer than any that was tried" in done.stderr


@pytest.mark.parametrize("version", ["1.20.0", "1.32.0", "1.32.9"])
def test_versions_of_onnxruntime_that_were_tried_are_taken(version: str) -> None:
    refuse_untried(version)


def test_both_engines_are_here_for_these_tests() -> None:
    assert installed() == CHOICES


@pytest.mark.parametrize("model", [networks.colour_grid(), networks.convolution()], ids="gc")
def test_engines_agree_on_normalised_vectors(tmp_path: Path, model: object) -> None:
    folder = write_featurizer(tmp_path, model)  # type: ignore[arg-type]
    pictures = [draw_thing(number, side=50 + number) for number in range(20)]
    first, second = (Featurizer.open(folder, engine).embed(pictures) for engine in CHOICES)
    assert np.abs(first - second).max() < 1e-4


@pytest.mark.parametrize("engine", CHOICES)
def test_answers_do_not_change_when_the_next_question_comes(tmp_path: Path, engine: str) -> None:
    opened = open_engine(write_network(networks.colour_grid(), tmp_path / "net.onnx"), None, engine)
    first = opened.run(np.ones((1, 3, SIDE, SIDE), np.float32))
    opened.run(np.zeros((1, 3, SIDE, SIDE), np.float32))
    assert (first == 1).all()


@pytest.mark.parametrize("engine", CHOICES)
@pytest.mark.parametrize(("output", "size"), [("grid", 48), ("mean", 3), (None, 3)])
def test_the_named_output_is_taken_else_the_last(
    tmp_path: Path, engine: str, output: str | None, size: int
) -> None:
    network = write_network(networks.two_outputs(), tmp_path / "net.onnx")
    batch = np.ones((2, 3, SIDE, SIDE), np.float32)
    assert open_engine(network, output, engine).run(batch).reshape(2, -1).shape == (2, size)


def test_embedding_goes_before_the_last_output() -> None:
    assert choose_output(["embedding", "logits"], None, Path("x")) == "embedding"


@pytest.mark.parametrize("engine", CHOICES)
def test_an_output_that_is_not_there_is_named(tmp_path: Path, engine: str) -> None:
    network = write_network(networks.two_outputs(), tmp_path / "net.onnx")
    with pytest.raises(FeaturizerError, match="no output 'logits'; it has grid, mean"):
        open_engine(network, "logits", engine)


@pytest.mark.parametrize("engine", CHOICES)
@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x08" * 500], ids=repr)
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, engine: str, content: bytes) -> None:
    network = tmp_path / "net.onnx"
    network.write_bytes(content)
    with pytest.raises(FeaturizerError, match=rf"net\.onnx: {engine} cannot open it"):
        open_engine(network, None, engine)


@pytest.mark.parametrize("engine", CHOICES)
def test_an_input_of_the_wrong_shape_is_refused(tmp_path: Path, engine: str) -> None:
    opened = open_engine(write_network(networks.colour_grid(), tmp_path / "net.onnx"), None, engine)
    with pytest.raises(FeaturizerError, match=r"cannot take an input of shape \(1, 4, 32, 32\)"):
        opened.run(np.zeros((1, 4, SIDE, SIDE), np.float32))


def test_an_unknown_engine_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(FeaturizerError, match="choose one of onnxruntime, openvino"):
        open_engine(tmp_path / "net.onnx", None, "tensorrt")


def test_without_any_engine_the_error_names_the_pip_command(featurizer_folder: Path) -> None:
    assert run_without(CHOICES, featurizer_folder, "auto") == [
        "",
        "running a network needs a package that is not installed; "
        "install it with: pip install '.[onnxruntime]' in this program's folder",
    ]


def test_opencv_runs_what_ships_with_the_program_where_no_other_engine_is() -> None:
    assert run_without(CHOICES, EMBEDDED, "auto") == ["", "opencv"]


def test_opencv_runs_no_other_network(featurizer_folder: Path) -> None:
    """It misreads some without an error."""
    with pytest.raises(FeaturizerError, match="opencv runs only the networks that ship"):
        open_engine(featurizer_folder / "network.onnx", None, "opencv")


def test_opencv_refuses_an_input_of_the_wrong_shape() -> None:
    opened = open_engine(EMBEDDED / "network.onnx", None, "opencv")
    with pytest.raises(FeaturizerError, match=r"cannot take an input of shape \(1, 4, 160, 160\)"):
        opened.run(np.zeros((1, 4, 160, 160), np.float32))


def test_without_the_chosen_engine_the_error_names_its_pip_command(
    featurizer_folder: Path,
) -> None:
    assert run_without(("openvino",), featurizer_folder, "openvino") == [
        "onnxruntime",
        "the engine openvino needs a package that is not installed; "
        "install it with: pip install '.[openvino]' in this program's folder",
    ]


@pytest.mark.slow
def test_auto_takes_the_engine_that_is_installed(featurizer_folder: Path) -> None:
    assert run_without(("onnxruntime",), featurizer_folder, "auto") == ["openvino", "openvino"]
