"""Reading drawn labels with RapidOCR, and what it may not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.core.photos import Picture
from catalog.core.read_line import score_of
from catalog.networks.text_reader import LEAST_SCORE, MOST_LINES, TextReader, largest_lines
from catalog.synthetic.drawing import Label
from catalog.synthetic.labels import front

READ_ONE = """
import json, os, sys
from pathlib import Path
import cv2
from edge.health import rss_bytes
from catalog.networks.text_reader import TextReader
calls = []
sys.addaudithook(lambda name, args: calls.append((name, args)))
picture = cv2.imread(sys.argv[1])
before = rss_bytes()
lines = TextReader().read(picture)
connected = [str(args) for name, args in calls if name == "socket.connect"]
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) << 10
written = [args[0] for name, args in calls if name == "open" and set(str(args[1])) & set("wax+")]
print(json.dumps({
    "lines": lines,
    "connected": connected,
    "written": [str(name) for name in written if str(name) != os.devnull],
    "peak_mb": (peak - before) / 2**20,
}))
"""
MOST_MEMORY_MB = 150


@pytest.fixture(scope="module")
def reader() -> TextReader:
    """The reader."""
    return TextReader()


def label() -> Picture:
    """A drawn label."""
    drawn = front(Label("Kolibrio", "Green Tea", "0.5 l", face="sans"), 300, 400)
    return np.ascontiguousarray(drawn)


def test_the_words_on_a_label_are_read(reader: TextReader) -> None:
    lines = reader.read(label())
    read = " ".join(lines).lower()
    assert "kolibrio" in read
    assert "green" in read
    assert all(LEAST_SCORE <= line.score <= 1 for line in lines)
    assert score_of("a plain string") == 1


def test_a_picture_of_any_size_may_hold_no_words(reader: TextReader) -> None:
    for shape in ((1, 1), (3, 700), (2000, 1500)):
        assert reader.read(np.full((*shape, 3), 200, np.uint8)) == ()


def test_reading_connects_to_nobody_leaves_no_file_and_takes_little_memory(tmp_path: Path) -> None:
    picture = tmp_path / "label.png"
    cv2.imwrite(str(picture), label())
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-c", READ_ONE, str(picture)],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["lines"]
    assert seen["connected"] == []
    assert seen["written"] == []
    assert not list(home.iterdir())
    assert seen["peak_mb"] <= MOST_MEMORY_MB


def test_of_many_lines_the_largest_are_read() -> None:
    heights = np.arange(MOST_LINES + 2, dtype=np.float32)[::-1]
    boxes = np.zeros((MOST_LINES + 2, 4, 2), np.float32)
    boxes[:, 3, 1] = heights
    lines = [np.full((1, 1, 3), height, np.uint8) for height in heights]
    assert largest_lines(lines, boxes) == lines[:MOST_LINES]
