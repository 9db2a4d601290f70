"""A process that is killed while it saves loses nothing that it said to be saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.teaching.__main__ import run


@pytest.mark.slow
def test_some_kills_lose_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, 4, seed=5).saved
