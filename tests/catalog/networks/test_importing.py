"""A network of the user's own: imported by command, run by every engine, stored in a bundle."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.core.errors import FeaturizerError, MissingExtraError
from catalog.networks.engines.choice import CHOICES
from catalog.networks.featurizer import Featurizer
from catalog.networks.importing.importer import PRESETS, import_model, plain_name
from catalog.networks.models import Preprocessing, open_model
from catalog.networks.network import read_descriptor
from catalog.sources.read import read_source
from tests.conftest import Fill, Surroundings
from tests.support import mxnet_networks, networks
from tests.support.drawing import draw_thing
from tests.support.mxnet_networks import SIDE, Saved, save
from tests.support.networks import write_network

pytestmark = pytest.mark.mxnet

SQUASHED = Preprocessing(size=SIDE, mean="0", std="255", resize="squash")
ENGINES = (*CHOICES, "mxnet")


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    return save(mxnet_networks.residual(), tmp_path / "saved", epoch=7)


def test_a_checkpoint_becomes_a_featurizer_that_every_engine_runs_alike(
    saved: Saved, tmp_path: Path
) -> None:
    done = import_model(saved.parameter_file, tmp_path / "own", SQUASHED)
    assert (done.layer, done.dimensions, done.checkpoint) == ("flatten0_output", 8, True)
    descriptor = read_descriptor(tmp_path / "own")
    assert (descriptor.name, descriptor.dimensions, descriptor.size) == ("net", 8, SIDE)
    pictures = [draw_thing(number, side=40 + number) for number in range(9)]
    answers = []
    for engine in ENGINES:
        featurizer = Featurizer.open(tmp_path / "own", engine)
        assert featurizer.engine == engine
        assert featurizer.network_id == done.network_id
        answers.append(featurizer.embed(pictures))
        again = np.concatenate([featurizer.embed([picture]) for picture in pictures])
        assert np.abs(again - answers[-1]).max() < 1e-4
    assert max(np.abs(answer - answers[0]).max() for answer in answers) < 1e-4
    (network,) = featurizer.networks
    tensors = network.preprocess(pictures)
    theirs = saved.answer(tensors, "flatten0_output")
    assert np.abs(network.run(tensors) - theirs).max() < 1e-4


def test_the_preset_feeds_it_as_the_references_were_made(saved: Saved, tmp_path: Path) -> None:
    import_model(saved.symbol_file, tmp_path / "own", PRESETS["deeplens-v1"])
    (network,) = Featurizer.open(tmp_path / "own").networks
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, :] = (10, 20, 30)  # BGR
    tensor = network.preprocess([picture])
    assert tensor.shape == (1, 3, 224, 224)
    assert [float(plane.mean()) for plane in tensor[0]] == [30, 20, 10]


@pytest.fixture(scope="session")
def bundle(made_once: Callable[[str, Fill], Path], things: Path) -> Path:
    """A bundle of `things` by a checkpoint; read only."""

    def fill(folder: Path) -> None:
        saved = save(mxnet_networks.residual(), folder / "saved", epoch=7)
        import_model(saved.parameter_file, folder / "own", SQUASHED)
        featurizer = Featurizer.open(folder / "own")
        build(read_source(things).items, folder / "b", featurizer, folder / "cache", "Own")

    return made_once("mxnet", fill) / "b"


@pytest.mark.slow
def test_the_checkpoint_travels_in_the_bundle(bundle: Path) -> None:
    vectors = [Bundle.open(bundle, engine).featurizer.embed([draw_thing(1)]) for engine in ENGINES]
    assert max(np.abs(vector - vectors[0]).max() for vector in vectors) < 1e-4


def test_without_a_checkpoint_mxnet_says_so(featurizer_folder: Path) -> None:
    with pytest.raises(FeaturizerError, match="mxnet runs MXNet checkpoints, and none stands"):
        Featurizer.open(featurizer_folder, "mxnet")


@pytest.mark.parametrize("name", ["checkpoint-symbol.json", "checkpoint-0000.params"])
def test_a_damaged_checkpoint_is_refused_by_mxnet(saved: Saved, tmp_path: Path, name: str) -> None:
    import_model(saved.parameter_file, tmp_path / "own", SQUASHED)
    (tmp_path / "own" / name).write_bytes(b"damaged")
    with pytest.raises(FeaturizerError, match="mxnet cannot open its checkpoint"):
        Featurizer.open(tmp_path / "own", "mxnet")


def test_an_onnx_file_is_imported_and_stays_as_it_was(tmp_path: Path) -> None:
    source = write_network(networks.two_outputs(), tmp_path / "two.onnx")
    before = source.read_bytes()
    preprocessing = Preprocessing(size=networks.SIDE, resize="squash", output="grid")
    done = import_model(source, tmp_path / "own", preprocessing, licence="MIT")
    assert (done.layer, done.dimensions, done.checkpoint) == ("grid", 48, False)
    assert source.read_bytes() == before
    assert read_descriptor(tmp_path / "own").licence == "MIT"
    pictures = [draw_thing(1), draw_thing(2)]
    direct = open_model(str(source), preprocessing)
    imported = open_model(str(tmp_path / "own"))
    assert np.abs(direct.raw(pictures) - imported.raw(pictures)).max() < 1e-6


def test_a_size_that_the_network_does_not_take_is_refused(tmp_path: Path) -> None:
    source = write_network(networks.two_outputs(), tmp_path / "two.onnx")
    with pytest.raises(FeaturizerError, match="takes pictures of 32 x 32 pixels, not 224 x 224"):
        import_model(source, tmp_path / "own", Preprocessing())


def test_a_second_import_replaces_the_first_and_a_failed_one_nothing(
    saved: Saved, tmp_path: Path
) -> None:
    out = tmp_path / "own"
    first = import_model(saved.parameter_file, out, SQUASHED)
    with pytest.raises(FeaturizerError):
        import_model(tmp_path / "absent.onnx", out, SQUASHED)
    assert Featurizer.open(out).network_id == first.network_id
    second = import_model(saved.parameter_file, out, PRESETS["deeplens-v1"])
    assert Featurizer.open(out).network_id == second.network_id != first.network_id
    assert {path.name for path in tmp_path.iterdir()} == {"own", "saved"}


def test_another_folder_is_not_overwritten(saved: Saved, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(FeaturizerError, match="exists and is no featurizer folder"):
        import_model(saved.parameter_file, tmp_path / "mine", SQUASHED)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("resnet-50-0000.params", "resnet-50"),
        ("resnet-50-symbol.json", "resnet-50"),
        ("net.v2.onnx", "net.v2"),
    ],
)
def test_a_network_is_called_as_its_files_are(name: str, plain: str) -> None:
    assert plain_name(Path(name)) == plain


def test_import_by_command_then_build(
    surroundings: Surroundings, saved: Saved, things: Path
) -> None:
    options = ("--size", str(SIDE), "--mean", "0", "--std", "255", "--resize", "squash")
    done = surroundings.run(
        "catalog", "model", "import", saved.symbol_file, *options, "--output", "pool1", "--json"
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (report["folder"], report["layer"]) == ("net", "pool1_output")
    done = surroundings.run("catalog", "build", things, "--out", "shop", "--model", "net")
    assert done.returncode == 0, done.stderr
    assert Bundle.open(surroundings.folder / "shop").featurizer.network_id == report["network_id"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("absent.onnx",), "absent.onnx: no such file"),
        (("notes.txt",), "wanted is an ONNX file"),
        (("a.onnx", "--preset", "deeplens-v1", "--mean", "1"), "leave out --mean"),
        (("a.onnx", "--resize", "stretch"), "wanted is crop"),
    ],
)
def test_a_wrong_import_is_refused_in_one_sentence(
    surroundings: Surroundings, words: tuple[str, ...], error: str
) -> None:
    for name in ("notes.txt", "a.onnx"):
        (surroundings.folder / name).write_text("x")
    done = surroundings.run("catalog", "model", "import", *words)
    assert done.returncode == 1
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert not (surroundings.folder / "absent").exists()


def test_only_without_an_onnx_engine_auto_takes_mxnet(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_model(saved.parameter_file, tmp_path / "own", SQUASHED)
    assert Featurizer.open(tmp_path / "own").engine == "onnxruntime"
    monkeypatch.setattr("catalog.networks.engines.choice.CHOICES", ())
    assert Featurizer.open(tmp_path / "own").engine == "mxnet"


def test_without_the_package_onnx_the_error_names_the_pip_command(
    saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[models\]'"):
        import_model(saved.parameter_file, tmp_path / "own", SQUASHED)
    assert not (tmp_path / "own").exists()


def test_the_validator_accepts_mxnet(surroundings: Surroundings, bundle: Path) -> None:
    done = surroundings.run(
        "catalog", "activate", bundle, "--json", VISUAL_SEARCH_CATALOG__ENGINE="mxnet"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"] == "mxnet"
