"""Reading drawn labels with RapidOCR, and what it may not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from catalog.core.photos import Picture
from catalog.networks.text_reader import TextReader
from catalog.synthetic.drawing import Label
from catalog.synthetic.labels import front

OFFLINE = """
import os, sys
from pathlib import Path
import numpy as np
calls = []
sys.addaudithook(lambda name, args: calls.append((name, args)))
from catalog.networks.text_reader import TextReader
TextReader().read(np.full((60, 200, 3), 255, np.uint8))
assert not [call for call in calls if call[0] == "socket.connect"]
written = [args[0] for name, args in calls if name == "open" and set(str(args[1])) & set("wax+")]
print([name for name in written if str(name) != os.devnull])
"""


@pytest.fixture(scope="module")
def reader() -> TextReader:
    """The reader."""
    return TextReader()


def label() -> Picture:
    """A drawn label."""
    drawn = front(Label("Kolibrio", "Green Tea", "0.5 l", face="sans"), 300, 400)
    return np.ascontiguousarray(drawn)


def test_the_words_on_a_label_are_read(reader: TextReader) -> None:
    read = " ".join(reader.read(label())).lower()
    assert "kolibrio" in read
    assert "green" in read


def test_a_picture_of_any_size_may_hold_no_words(reader: TextReader) -> None:
    for shape in ((1, 1), (3, 700), (2000, 1500)):
        assert reader.read(np.full((*shape, 3), 200, np.uint8)) == ()


def test_reading_connects_to_nobody_and_leaves_no_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", OFFLINE],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())
