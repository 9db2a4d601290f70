"""The live picture and the answers at the end of a slow network link are new."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.stopwatch import slowness

ROOT = Path(__file__).parents[2]
SECONDS = 10
LONGEST_S = 300.0  # it takes about a minute
PAUSE_S = 2.0  # from one look at how busy the machine is to the next

pytestmark = pytest.mark.slow


def test_pictures_and_answers_are_new_at_the_end_of_a_slow_link() -> None:
    """64 kB and 200 ms: the page's pictures, those of the stream, and by a proxy as well."""
    busy = slowness()
    with subprocess.Popen(
        [sys.executable, "-m", "bench.slow_link", "--seconds", str(SECONDS)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as bench:  # fmt: skip
        end = time.monotonic() + LONGEST_S
        while bench.poll() is None:  # the oldest picture is of its busiest moment
            busy = max(busy, slowness())
            with contextlib.suppress(subprocess.TimeoutExpired):
                bench.wait(PAUSE_S)
            if time.monotonic() > end:
                bench.kill()
        said, complaints = bench.communicate()
    assert bench.returncode == 0, complaints
    found = json.loads(said)
    assert len(found) == 5
    for name, row in found.items():
        assert row["pictures a second"] * busy >= 1, name
        assert 0 <= row["picture old by, most s"] <= 1 * busy, name
        assert 0 <= row["answer late by, most s"] <= 0.6 * busy, name
