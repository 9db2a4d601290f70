"""The build cache keeps to its limit, and what was not used for the longest time leaves it."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from catalog.building import cache_size
from catalog.building.cache import FeatureCache, PhotoFeature
from tests.conftest import Surroundings

EACH = 10_000  # bytes of a thumbnail


def put(folder: Path, numbers: range, limit: int = 10**9) -> None:
    with closing(FeatureCache(folder, limit=limit)) as cache:
        for number in numbers:
            feature = PhotoFeature(f"{number:064}", np.ones(4, np.float32), 8, 8, bytes(EACH))
            cache.put([feature], "network")


def there(folder: Path, numbers: range, monkeypatch: pytest.MonkeyPatch, day: int) -> list[int]:
    """The numbers that are in the cache; looking uses them on a day."""
    monkeypatch.setattr(cache_size, "today", lambda: day)
    with closing(FeatureCache(folder)) as cache:
        return [number for number in numbers if cache.get(f"{number:064}", "network")]


def test_what_was_not_used_leaves_first_and_what_a_build_uses_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_size, "today", lambda: 100)
    put(tmp_path, range(10))
    assert there(tmp_path, range(3), monkeypatch, 101) == [0, 1, 2]
    monkeypatch.setattr(cache_size, "today", lambda: 102)
    put(tmp_path, range(10, 14), limit=8 * EACH)
    assert there(tmp_path, range(14), monkeypatch, 103) == [0, 1, 2, 10, 11, 12, 13]
    monkeypatch.setattr(cache_size, "today", lambda: 104)
    put(tmp_path, range(20, 26), limit=2 * EACH)  # it needs more than it may keep
    assert there(tmp_path, range(30), monkeypatch, 105) == [*range(20, 26)]


def test_pruning_gives_room_back_and_takes_old_fetched_photos(tmp_path: Path) -> None:
    put(tmp_path, range(40))
    fetched = tmp_path / "addresses" / ("a" * 64)
    fetched.parent.mkdir()
    fetched.write_bytes(bytes(EACH))
    fetched.with_suffix(".json").write_text("{}")
    os.utime(fetched, (0, 0))
    before = (tmp_path / "features.db").stat().st_size
    with closing(FeatureCache(tmp_path)) as cache:
        assert {part.content for part in cache.parts()} == {
            "fetched photos",
            "vectors and thumbnails",
        }
        assert cache.prune(10 * EACH) >= 31 * EACH
        (left,) = cache.parts()
    assert left.entries <= 9
    assert left.made_by == "network"
    assert (tmp_path / "features.db").stat().st_size < before / 2
    assert list(fetched.parent.iterdir()) == []


def test_a_fresh_row_does_not_leave_before_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another build closes while this one is still running."""
    monkeypatch.setattr(cache_size, "today", lambda: 100)
    put(tmp_path, range(3))
    monkeypatch.setattr(cache_size, "today", lambda: 101)
    with closing(FeatureCache(tmp_path)) as running:
        running.put(
            [PhotoFeature(f"{7:064}", np.ones(4, np.float32), 8, 8, bytes(EACH))], "network"
        )
        put(tmp_path, range(0), limit=2 * EACH)
        assert running.get(f"{7:064}", "network") is not None


@pytest.mark.slow
def test_the_command_lists_and_prunes(surroundings: Surroundings) -> None:
    listed = surroundings.run("catalog", "cache", "--json")
    assert listed.returncode == 0, listed.stderr
    told = json.loads(listed.stdout)
    assert told["limit"] == 20_000_000_000
    assert sum(part["bytes"] for part in told["parts"]) == told["bytes"] > 0
    pruned = surroundings.run("catalog", "cache", "--prune", "--to", "0")
    assert "removed: " in pruned.stdout
    assert json.loads(surroundings.run("catalog", "cache", "--json").stdout)["parts"] == []
    wrong = surroundings.run("catalog", "cache", "--to", "1")
    assert "--to goes with --prune" in wrong.stderr
