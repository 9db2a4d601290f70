"""What `visual-search catalog activate` says is next."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from catalog.cli.after_activating import what_is_next
from catalog.core import services
from catalog.core.state import edge_state, write_edge_state

RUNS = "the appliance runs, and takes this catalogue by itself"


@pytest.fixture(autouse=True)
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "systemd" / "system.slice"
    monkeypatch.setattr(services, "GROUPS", (tmp_path / "system.slice", folder))
    return folder


def test_where_nothing_runs_it_says_what_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert what_is_next(tmp_path).startswith("next: visual-search edge run; where it runs already")
    monkeypatch.setattr(sys, "prefix", "/opt/visual-search/0.2.0+deb12")
    assert what_is_next(tmp_path).startswith("next: sudo systemctl start visual-search-edge")


def test_a_process_that_follows_the_shelf_takes_it(tmp_path: Path) -> None:
    write_edge_state(tmp_path, edge_state("open", "a bundle"))
    assert what_is_next(tmp_path) == RUNS
    write_edge_state(tmp_path, edge_state("open", "a bundle", follows=False))
    assert what_is_next(tmp_path).startswith("next: ")


def test_a_service_takes_it_though_it_names_another_boot(tmp_path: Path, groups: Path) -> None:
    (groups / services.EDGE).mkdir(parents=True)
    write_edge_state(tmp_path, edge_state("open", "").model_copy(update={"boot": "another"}))
    assert what_is_next(tmp_path) == RUNS
