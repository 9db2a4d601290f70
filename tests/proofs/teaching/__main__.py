"""Kill a device while it saves what it is taught, and look whether all that it said is true.

    python -m tests.proofs.teaching [--kills 100]

Each round a process teaches without a pause, gives things other names, and says after each item
that it is saved. It is killed at a random moment. Then everything that it said to be saved must be
there, whole.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from edge.taught.store import TaughtStore
from tests.proofs.teaching.writer import NETWORK, VIEWS, changed

LONGEST_S = 0.3  # after the process is ready


@dataclass
class Said:
    """What the processes said.

    Attributes:
        saved: The items that must be there.
        changing: An item whose change was begun last, if that was not said to be done: it must be
            there as it was or as it becomes, and not as both.
    """

    saved: set[str] = field(default_factory=set)
    changing: str = ""

    def hear(self, line: str) -> None:
        """Take in a line."""
        word, _, sku = line.strip().partition(" ")
        if word == "saved":
            self.saved.add(sku)
            self.changing = ""
        elif word == "changing":
            self.saved.discard(sku)
            self.changing = sku
        elif word == "removing":
            self.saved.discard(sku)  # and may still be there


def run(folder: Path, kills: int, seed: int = 1) -> Said:
    """Kill so often, and check after each kill.

    Raises:
        AssertionError: Something that was said to be saved is lost or not whole.
    """
    moments, said = random.Random(seed), Said()
    for number in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.teaching.writer", folder, str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(moments.uniform(0, LONGEST_S))
        except subprocess.TimeoutExpired:
            process.kill()
        for line in process.communicate()[0].splitlines():
            said.hear(line)
        check(folder, said)
    return said


def check(folder: Path, said: Said) -> None:
    """Look whether everything that was said to be saved is there, whole."""
    store = TaughtStore(folder)
    try:
        titles, photos = {item.sku: item.title for item in store.items()}, store.photos()
        items = set(titles)
        features = store.features(NETWORK)
        assert said.saved <= items, f"lost: {said.saved - items}"
        if said.changing:
            both = {said.changing, changed(said.changing)}
            assert len(both & items) == 1, f"{said.changing} is there as {both & items}"
            said.saved |= both & items
            said.changing = ""
        assert {photo.sku for photo in photos} == items
        for sku in items:
            own = [photo for photo in photos if photo.sku == sku]
            assert len(own) == VIEWS, f"{sku} has {len(own)} photos"
            assert titles[sku] == f"Thing {sku}", f"{sku} is called {titles[sku]}"
            for photo in own:
                jpeg = store.jpeg(photo.id)
                assert jpeg is not None
                assert hashlib.sha256(jpeg).hexdigest() == photo.sha256
                assert photo.id in features
    finally:
        store.close()


def main() -> None:
    """Run, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        said = run(Path(folder), arguments.kills)
    print(f"{arguments.kills} kills: {len(said.saved)} items kept, none lost, all whole")


if __name__ == "__main__":
    main()
