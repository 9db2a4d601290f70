"""What the command prepares before it loads anything large."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import os, sys
sys.argv = ["visual-search", "--version"]
from visual_search.command import main
try:
    main()
except SystemExit:
    pass
import numpy
numpy.ones((400, 400)) @ numpy.ones((400, 400))
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


def run(**variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=kept | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.splitlines()[-1]


def test_numpy_computes_on_one_thread() -> None:
    """With more, a build of a catalogue on a busy machine took up to four times as long."""
    assert run() == "1 1"


def test_whoever_sets_another_number_gets_it() -> None:
    assert run(OPENBLAS_NUM_THREADS="2").split()[1] == "2"
