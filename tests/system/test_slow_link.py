"""The live picture and the answers at the end of a slow network link are new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stopwatch import slowness

ROOT = Path(__file__).parents[2]
SECONDS = 10

pytestmark = pytest.mark.slow


def test_pictures_and_answers_are_new_at_the_end_of_a_slow_link() -> None:
    """64 kB and 200 ms: the page's pictures, those of the stream, and by a proxy as well."""
    before = slowness()
    done = subprocess.run(
        [sys.executable, "-m", "bench.slow_link", "--seconds", str(SECONDS)],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    busy = max(before, slowness())
    found = json.loads(done.stdout)
    assert len(found) == 5
    for name, row in found.items():
        assert row["pictures a second"] * busy >= 1, name
        assert 0 <= row["picture old by, most s"] <= 1 * busy, name
        assert 0 <= row["answer late by, most s"] <= 0.6 * busy, name
