"""Elsewhere than on Linux the program says where it runs; Python is told that it is elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

ELSEWHERE = """
import sys
import click  # first, because on Windows it asks that system's libraries
sys.platform = {platform!r}
sys.modules["fcntl"] = None  # importing it is an ImportError, as there
{use}
"""
COMMAND = "from visual_search.command import main; main()"
INTERFACE = """
from visual_search import VisualSearchError
try:
    from visual_search import Catalogue
except VisualSearchError as error:
    sys.exit(f"error: {error}")
"""
SENTENCES = {
    "darwin": "macOS: use a Linux virtual machine or container",
    "win32": "Windows: use WSL 2 (run 'wsl --install'), or a Linux container",
    "freebsd14": "freebsd14: use a Linux machine",
}


@pytest.mark.parametrize("use", [COMMAND, INTERFACE], ids=["command", "interface"])
@pytest.mark.parametrize("platform", SENTENCES)
def test_one_sentence_says_where_it_runs(platform: str, use: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE.format(platform=platform, use=use)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: visual-search runs on Linux alone, and this is {SENTENCES[platform]}, "
        "or build the catalogue on the device itself\n"
    )
