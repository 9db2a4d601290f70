"""A bundle, and a device's store of what it is taught."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundles.bundle import Bundle
from edge.taught.taught import Taught


@pytest.fixture
def bundle(small_bundle: Path) -> Bundle:
    return Bundle.open(small_bundle)


@pytest.fixture
def taught(tmp_path: Path, bundle: Bundle) -> Taught:
    taught = Taught(tmp_path / "taught")
    taught.use(bundle)
    return taught
