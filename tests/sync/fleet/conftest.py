"""What the tests of a fleet share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.following import Following, variant


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Following:
    """Release 1 is on the device, release 2 in the channel; channel "beta" has another bundle."""
    folder = tmp_path_factory.mktemp("published")
    following = Following.create(folder / "world")
    following.publish(small_bundle)
    assert following.device().check().outcome == "installed"
    following.publish(variant(small_bundle, folder / "second", "Second"))
    following.publish(small_bundle, "beta")
    return following
