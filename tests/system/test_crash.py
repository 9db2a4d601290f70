"""What holds when a process is killed, or the power fails, at some of its calls.

All of them, and the power at many more, are tried by ``make crash-test``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.proofs.crash.__main__ import try_all
from tests.proofs.crash.world import Owner

ITEMS = 40  # the calls at which it is killed are the same as of more
POINTS = 3


@pytest.fixture(scope="module")
def owner(
    tmp_path_factory: pytest.TempPathFactory, featurizer_folder: Path, small_build: Path
) -> Owner:
    """Three bundles by a small network, and the keys to publish them with.

    Of the small bundle's cache they have what this network sees in the drawn foreign things.
    """
    folder = tmp_path_factory.mktemp("owner")
    shutil.copytree(small_build / "cache", folder / "cache")
    return Owner(folder, ITEMS, featurizer_folder).create()


def test_killed_anywhere_a_device_has_the_old_or_the_new_catalogue(
    owner: Owner, tmp_path: Path
) -> None:
    """Also an owner's publish and build: what is seen is whole, and the next run completes."""
    said: list[str] = []
    tallies = try_all(owner, tmp_path, ("pull", "publish", "build"), POINTS, said.append)
    assert [tally.failures for tally in tallies.values()] == [[], [], []], said
    assert all(
        tally.tried == POINTS and sum(tally.outcomes.values()) == POINTS
        for tally in tallies.values()
    )
    assert tallies["pull"].outcomes["old active"] > 0


def test_killed_while_it_makes_a_catalogue_a_device_has_the_old_or_the_new_one(
    owner: Owner, tmp_path: Path
) -> None:
    """Of the bytes of the small pieces, too, no more than 1.1 times are fetched."""
    said: list[str] = []
    tally = try_all(owner, tmp_path, ("changes",), 2, said.append)["changes"]
    assert not tally.failures, said
    assert sum(tally.outcomes.values()) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_power_cut_anywhere_leaves_the_old_or_the_new_catalogue(
    owner: Owner, tmp_path: Path
) -> None:
    """A real file system that loses what was not flushed."""
    said: list[str] = []
    tally = try_all(owner, tmp_path, ("power",), POINTS, said.append)["power"]
    assert not tally.failures, said
    assert tally.tried == POINTS
    assert tally.outcomes["old active"] > 0
