"""``visual-search doctor`` on the devices that are rare: MXNet alone, a DeepLens, its core."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.core.findings import Finding
from edge.cli.doctor import examine
from tests.catalog.networks.test_awscam import NAMES, STAND_INS
from tests.conftest import Surroundings
from tests.support import greengrass_core


def findings(subject: str) -> list[Finding]:
    """What doctor says about one subject here."""
    return [one for one in examine(None) if one.subject == subject]


@pytest.mark.parametrize("section", ["device", "catalog", "edge", "outbox", "sync"])
def test_a_name_that_no_section_knows_is_found(section: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[{section}]\nnothing_of_this_name = 1\n")
    (said,) = [one for one in examine(file) if one.subject == "settings"]
    assert said.state == "wrong"
    assert f"[{section}] nothing_of_this_name: no such setting" in said.message


def test_a_file_where_the_data_folder_is_to_be_is_found(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "file"))
    (said,) = findings("disk")
    assert said.state == "wrong"


@pytest.fixture
def deeplens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stand-ins of a DeepLens' libraries and of its core are found."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.syspath_prepend(str(greengrass_core.MODULES))
    importlib.invalidate_caches()
    yield
    for name in NAMES:
        sys.modules.pop(name, None)
    greengrass_core.forget()


def test_mxnet_is_named_where_it_is(surroundings: Surroundings) -> None:
    said = {one.message: one.state for one in findings("engines")}
    assert said["mxnet runs imported checkpoints"] == "ok"
    assert not any("awscam" in message for message in said)
    assert findings("deeplens") == findings("greengrass") == []


def test_mxnet_alone_is_no_fault(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the embedded network does not run."""
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"catalog.networks.engines.{name}", raising=False)
    said = findings("engines")
    assert [one.state for one in said][:2] == ["ok", "note"]
    assert "neither the embedded network runs" in said[1].message
    assert not any(one.state == "wrong" for one in said)


def test_a_deeplens_and_its_core_are_recognized(surroundings: Surroundings, deeplens: None) -> None:
    (camera,) = findings("deeplens")
    assert 'camera may be "deeplens"' in camera.message
    (core,) = findings("greengrass")
    assert (core.state, core.remedy) == ("ok", "")
    assert "awscam runs imported checkpoints" in [one.message for one in findings("engines")]


def test_a_core_without_the_sdk_names_the_extra(
    surroundings: Surroundings, deeplens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "greengrasssdk" else found(name),
    )
    (core,) = findings("greengrass")
    assert core.state == "note"
    assert core.remedy == "pip install 'visual-search[deeplens]'"


def test_an_mxnet_that_cannot_be_imported_is_told(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mxnet.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    monkeypatch.delitem(sys.modules, "mxnet", raising=False)
    monkeypatch.delitem(sys.modules, "catalog.networks.engines.mxnet", raising=False)
    (told,) = [one for one in findings("engines") if "cannot be imported" in one.message]
    assert told.state == "note"
    assert "libgomp.so.1" in told.message
    assert "libgomp1" in told.remedy
