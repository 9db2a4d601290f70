"""Measure how long a running device needs to find what it was just taught.

    python -m bench.taught_times [--things 40] [--others 1000] [--seed 91001]

A device with a catalogue of so many photographed items looks at a simulated counter, ten pictures a
second in real time. Drawn things, which are in no catalogue, are put down again and again until
three views of one were taken, and it is saved. The seconds run from the third view to the answer
that names the thing, which still lies there.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from bench.teaching import MOST_SHOWINGS, OTHERS, RESULTS, SEED, WANTED, build_others
from catalog.bundles.bundle import Bundle
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.appliance.appliance import Appliance
from edge.errors import CameraError
from edge.settings import EdgeSettings
from edge.sighting import Image
from edge.simulator.simulator import Simulator
from edge.taught.taught import Taught
from edge.taught.wish import Wish

FRAME_S, EMPTY_S = 0.1, 1.0
LOOK_S, FOUND_S = 5.0, 10.0  # how long a view, and an answer, is waited for


class Counter:
    """A camera above a simulated counter."""

    name = "counter"
    learns_background = True
    paced = True
    live = True

    def __init__(self, image: Image) -> None:
        self.image = image
        self._closed = threading.Event()
        self._random = np.random.default_rng(SEED)

    def read(self) -> Image:
        """Return the picture of now, uint8 BGR (height, width, 3), with a little noise."""
        if self._closed.wait(FRAME_S):
            raise CameraError("closed")
        noise = self._random.integers(0, 2, self.image.shape, np.uint8)
        return np.asarray(cv2.add(self.image, noise), np.uint8)

    def close(self) -> None:
        """Give no picture any more."""
        self._closed.set()


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds, so many seconds at most; whether it does."""
    until = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return holds


def views(taught: Taught) -> int:
    """Return how many views the lesson has."""
    progress = taught.collector.progress()
    return 0 if progress is None else len(progress.views)


def names(device: Appliance, sku: str) -> bool:
    """Whether the device's answer of now is this item."""
    sighting = device.latest.leading()
    return sighting is not None and bool(sighting.matches) and sighting.matches[0].item.sku == sku


def teach(device: Appliance, counter: Counter, thing: DrawnItem, seed: int) -> float | None:
    """Teach a thing; the seconds from its third view until it is named, None where it is not."""
    taught, simulator = device.taught, Simulator(seed, [thing], foreign=False)
    assert taught is not None
    taught.collector.begin()
    for number in range(MOST_SHOWINGS):
        counter.image = simulator.empty(number)
        before = views(taught)
        waited(lambda: False, EMPTY_S)
        counter.image = simulator.frame(simulator.resting(number)[1])[0]
        waited(lambda before=before: views(taught) > before, LOOK_S)  # type: ignore[misc]
        if views(taught) >= WANTED:
            break
    began = time.monotonic()
    progress = taught.collector.progress()
    if progress is None or not progress.views:
        return None
    sku = taught.save(Wish(title=thing.sku), progress.views).sku
    device.look_again()
    return time.monotonic() - began if waited(lambda: names(device, sku), FOUND_S) else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--things", type=int, default=40)
    parser.add_argument("--others", type=int, default=1000, help="photographed items beside them")
    parser.add_argument("--seed", type=int, default=SEED, help="chooses the drawn things")
    arguments = parser.parse_args()
    path = build_others(RESULTS / "teaching", arguments.others)
    if not path.exists():
        parser.error(f"{OTHERS} is not there; VISUAL_SEARCH_MATERIALS names the folder it is in")
    counter = Counter(Simulator(arguments.seed, foreign=False).empty())
    with tempfile.TemporaryDirectory() as folder:
        device = Appliance(
            EdgeSettings.model_validate({}),
            Bundle.open(path),
            state_folder=Path(folder),
            opener=lambda *_: counter,
        )
        device.start()
        try:
            waited(lambda: False, 5 * EMPTY_S)  # it learns the empty counter
            found = [
                teach(device, counter, thing, arguments.seed)
                for thing in foreign_things(arguments.seed, arguments.things, HELD_OUT)
            ]
        finally:
            device.stop()
    seconds = [took for took in found if took is not None]
    print(f"named while they still lay there: {len(seconds)} of {len(found)}")
    if seconds:
        p50, p95 = np.quantile(seconds, (0.5, 0.95))
        print(f"seconds from the last view: p50 {p50:.2f}, p95 {p95:.2f}, most {max(seconds):.2f}")


if __name__ == "__main__":
    main()
