"""Two networks that look at the same picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.building.cache import FeatureCache
from catalog.building.features import FeaturizedPhoto, SkippedPhoto, featurize
from catalog.core.errors import FeaturizerError
from catalog.networks.featurizer import Featurizer
from catalog.networks.models import default_models, open_model, open_models
from catalog.networks.network import Descriptor, Network
from catalog.networks.projection import Projection
from tests.support import networks
from tests.support.drawing import draw_thing, png
from tests.support.networks import SIDE, write_network

GRID = Descriptor(name="grid", network="network.onnx", output=None, size=SIDE, resize="squash")


@pytest.fixture
def grid(tmp_path: Path) -> Network:
    (tmp_path / "grid").mkdir()
    write_network(networks.colour_grid(), tmp_path / "grid" / GRID.network)
    return Network(tmp_path / "grid", GRID)


@pytest.fixture
def edges(tmp_path: Path) -> Network:
    (tmp_path / "edges").mkdir()
    write_network(networks.convolution(), tmp_path / "edges" / GRID.network)
    return Network(tmp_path / "edges", replace(GRID, name="edges"))


def test_the_similarity_is_the_weighted_mean_of_both(grid: Network, edges: Network) -> None:
    pictures = [draw_thing(number) for number in range(5)]
    first, second = (Featurizer(network).embed(pictures) for network in (grid, edges))
    both = Featurizer(grid, edges, weights=(0.3, 0.7)).embed(pictures)
    assert np.linalg.norm(both, axis=1) == pytest.approx(1, abs=1e-6)
    expected = 0.3 * first @ first.T + 0.7 * second @ second.T
    assert np.abs(both @ both.T - expected).max() < 1e-6


def test_other_weights_change_the_vectors_without_running_the_networks(
    grid: Network, edges: Network
) -> None:
    pictures = [draw_thing(number) for number in range(3)]
    even = Featurizer(grid, edges)
    raw = even.raw(pictures)
    changed = even.reweigh(raw, (0.2, 0.8))
    assert np.abs(raw - changed.raw(pictures)).max() < 1e-6
    assert changed.network_id != even.network_id
    assert Featurizer(edges, grid).network_id != even.network_id


def test_a_folder_of_two_is_opened_as_it_was_written(
    grid: Network, edges: Network, tmp_path: Path
) -> None:
    pictures = [draw_thing(number) for number in range(3)]
    matrix = np.random.default_rng(1).normal(size=(48 + 64, 40)).astype(np.float32)
    both = Featurizer(grid, edges, weights=(0.6, 0.4))
    both = both.projected(Projection(matrix, both.network_id))
    both.write(tmp_path / "both")
    again = Featurizer.open(tmp_path / "both")
    assert (again.id, again.weights, again.name) == (both.id, (0.6, 0.4), "grid + edges")
    assert (again.dimensions, again.network_dimensions) == (40, 48 + 64)
    assert np.abs(again.embed(pictures) - both.embed(pictures)).max() < 1e-6
    assert open_model(str(tmp_path / "both")).id == both.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": []}, "not a descriptor of two networks"),
        ({"more": 1}, "not a descriptor of two networks"),
        ({"format": 3}, "format 3 is not known; update"),
        ({"weights": (0.5, 0.6)}, "do not add up to 1"),
        ({"weights": (-0.5, 1.5)}, "not a descriptor of two networks"),
        ({"ids": ("0" * 16, "1" * 16)}, "its networks are not those that it names"),
    ],
)
def test_a_wrong_descriptor_of_two_is_refused(
    grid: Network, edges: Network, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    Featurizer(grid, edges).write(tmp_path / "both")
    file = tmp_path / "both" / "descriptor.json"
    content = json.loads(file.read_text())
    for name, key in (("weights", "weight"), ("ids", "network")):
        for member, value in zip(content["networks"], change.get(name, ()), strict=False):
            member[key] = value
    others = {key: value for key, value in change.items() if key not in ("weights", "ids")}
    file.write_text(json.dumps(content | others))
    with pytest.raises(FeaturizerError, match=message):
        Featurizer.open(tmp_path / "both")


def test_a_deeplens_is_told_that_it_runs_one_network(
    grid: Network, edges: Network, tmp_path: Path
) -> None:
    Featurizer(grid, edges).write(tmp_path / "both")
    with pytest.raises(FeaturizerError, match="holds two networks, and a DeepLens runs one"):
        Featurizer.open(tmp_path / "both", "awscam")


@pytest.mark.mxnet
def test_the_engine_that_cannot_run_one_of_them_says_which(
    grid: Network, edges: Network, tmp_path: Path
) -> None:
    Featurizer(grid, edges).write(tmp_path / "both")
    with pytest.raises(FeaturizerError, match=r"1/network\.onnx: mxnet runs MXNet checkpoints"):
        Featurizer.open(tmp_path / "both", "mxnet")


def test_two_are_named_by_two_names_or_a_plus_sign(
    grid: Network, edges: Network, tmp_path: Path
) -> None:
    names = [str(tmp_path / name) for name in ("first", "second", "both")]
    for name, chosen in zip(names, ((grid,), (edges,), (grid, edges)), strict=True):
        Featurizer(*chosen).write(Path(name))
    expected = Featurizer(grid, edges).id
    assert open_models(names[:2]).id == open_model("+".join(names[:2])).id == expected
    with pytest.raises(FeaturizerError, match=r"3 networks are given; wanted are one or two"):
        open_models([*names[:2], "embedded"])
    with pytest.raises(FeaturizerError, match="the network grid is given twice"):
        open_models([names[0], names[0]])
    with pytest.raises(FeaturizerError, match="both: holds two networks already"):
        open_models([names[2], "embedded"])


def test_the_outputs_of_each_are_cached_apart(
    grid: Network, edges: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw_thing(3)
    (tmp_path / "photo.png").write_bytes(png(picture))
    place, cache = str(tmp_path / "photo.png"), FeatureCache(tmp_path / "cache")
    list(featurize([place], Featurizer(grid), cache))
    ran: list[Network] = []
    run = Network.run

    def counted(network: Network, batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        ran.append(network)
        return run(network, batch)

    monkeypatch.setattr(Network, "run", counted)
    both = Featurizer(grid, edges)
    (photo,) = featurize([place], both, cache)
    assert ran == [edges]
    assert isinstance(photo, FeaturizedPhoto)
    assert not photo.reused
    (again,) = featurize([place], both, cache)
    (turned,) = featurize([place], Featurizer(edges, grid), cache)
    assert ran == [edges]
    cache.close()
    assert isinstance(again, FeaturizedPhoto)
    assert isinstance(turned, FeaturizedPhoto)
    assert again.reused
    assert (again.feature.vector == both.raw([picture])[0]).all()
    assert (turned.feature.vector == np.roll(again.feature.vector, 64)).all()


def test_a_photo_in_which_one_of_them_sees_nothing_is_left_out(
    grid: Network, edges: Network, tmp_path: Path
) -> None:
    blank = replace(GRID, mean=(0, 0, 0))
    write_network(networks.colour_grid(), tmp_path / blank.network)
    (tmp_path / "black.png").write_bytes(png(np.zeros((40, 40, 3), np.uint8)))
    cache = FeatureCache(tmp_path / "cache")
    both = Featurizer(Network(tmp_path, blank), grid)
    (photo,) = featurize([str(tmp_path / "black.png")], both, cache)
    cache.close()
    assert photo == SkippedPhoto(
        str(tmp_path / "black.png"), "the network sees nothing in it (all zeros)"
    )


def test_a_build_takes_both_where_the_second_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_models("auto", tmp_path) == ("embedded", "efficientnet-lite0")
    assert default_models("mxnet", tmp_path) == ("embedded",)
    monkeypatch.setattr("catalog.networks.pretrained.efficientnet_lite0.PACKAGE", "not_there")
    assert default_models("auto", tmp_path) == ("embedded",)
