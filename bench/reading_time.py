"""Measure when the first answer comes after a thing came to rest, and when the words refine it.

    python -m bench.reading_time [--showings 40] [--seed 94001]

Near twins of the demonstration are shown on simulated counters. Time is simulated: a frame is
analysed as often as the appliance's loop would do it, and the processor's time of the analysis is
added. The words on each thing are read, as with ``read_text = "always"``, on a second core: they
are there once the processor's time of reading and weighing has passed. So the figures hold for two
quiet cores like those of this machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from bench.text import DEMONSTRATION_PAIRS, RESULTS, make, photographed
from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from catalog.networks.text_reader import TextReader
from catalog.recognition.decision import Verdict
from catalog.synthetic.items import twins
from edge.sighting import Frame, Image
from edge.simulator.play import Play
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.text_reading import TextReading, WordReading

SEED = 94_001
FPS = 20.0
INTERVAL_S = 0.25  # between two analysed frames of an unchanged scene
SHOWINGS = 10  # on each counter


class _SimulatedReading(TextReading):
    """Reads at once, and hands the words over when a second core would have read them.

    Attributes:
        now: The simulated time, in seconds.
        took: The processor's seconds of the newest reading.
    """

    def __init__(self) -> None:
        super().__init__("always", TextReader())
        self.now = self.took = 0.0

    def start(
        self,
        bundle: Bundle,
        found: Sequence[Match],
        image: Image,
        foreign_share: float | None = None,
    ) -> Future[WordReading]:
        """Read, and say from when on the words are there."""
        begun = time.process_time()
        reading = self.read(bundle, found, image, foreign_share)
        self.took = time.process_time() - begun
        ready_at = self.now + self.took
        return _Later(reading, lambda: self.now >= ready_at)


class _Later(Future[WordReading]):
    """What was read, once a condition holds."""

    def __init__(self, reading: WordReading, is_ready: Callable[[], bool]) -> None:
        super().__init__()
        self.set_result(reading)
        self._is_ready = is_ready

    def done(self) -> bool:
        """Return whether the words are there."""
        return self._is_ready()


@dataclass
class Times:
    """Seconds from the rest.

    Attributes:
        first: To the first answer of each showing.
        refined: To the answer that the words refined or confirmed.
        reading: What reading and weighing took, of the processor.
        right: How many showings were named rightly in the end.
        wrong: How many were named wrongly.
    """

    first: list[float] = field(default_factory=list)
    refined: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)
    right: int = 0
    wrong: int = 0


def show(bundle: Bundle, play: Play, text: _SimulatedReading, count: int, times: Times) -> None:
    """Show things on one counter to a new recognizer."""
    recognizer = Recognizer(bundle, text)
    text.now = 0.0
    index = 0
    for number in range(count):
        frames = play.frames(number)
        answers: list[tuple[float, Observation]] = []
        shown, since = "", 0.0
        while index < frames.stop:
            image, truth = play.frame(index)
            at = text.now = index / play.fps
            text.took, begun = 0.0, time.process_time()
            observation = recognizer.observe(Frame(image, at, index + 1))
            took = time.process_time() - begun - text.took
            if text.took:
                times.reading.append(text.took)
            if truth.things and truth.things[0].still:
                shown, since = truth.things[0].sku or "", truth.things[0].since
                if observation.timings.text:
                    times.refined.append(at + took - since)
                if observation.decision_changed:
                    answers.append((at + took - since, observation))
            next_at = at + max(took, recognizer.next_interval_s(INTERVAL_S))
            index = max(index + 1, int(np.ceil(next_at * play.fps - 1e-6)))
        _count(answers, shown, times)


def _count(answers: Sequence[tuple[float, Observation]], shown: str, times: Times) -> None:
    """Count the answers to one showing."""
    if not answers:
        return
    times.first.append(answers[0][0])
    decision = answers[-1][1].decision
    if decision.verdict is Verdict.MATCH:
        times.right += decision.matches[0].sku == shown
        times.wrong += decision.matches[0].sku != shown


def measure(folder: Path, showings: int, seed: int) -> dict[str, object]:
    """Show near twins, and return the figures."""
    items = [item for pair in twins()[:DEMONSTRATION_PAIRS] for item in pair]
    times, text = Times(), _SimulatedReading()
    with make(folder, photographed(folder, items)) as bundle:
        text.warm_up()
        for done in range(0, showings, SHOWINGS):
            play = Play(seed + done, items, fps=FPS, kinds=("item",))
            show(bundle, play, text, min(SHOWINGS, showings - done), times)
    text.close()
    named: dict[str, object] = {
        "showings": len(times.first),
        "right": times.right,
        "wrong": times.wrong,
    }
    return (
        named
        | {
            f"{name} s, {what}": round(float(np.quantile(seconds, share)), 2)
            for name, seconds in (
                ("first", times.first),
                ("refined", times.refined),
                ("reading", times.reading),
            )
            for what, share in (("median", 0.5), ("95 %", 0.95))
            if seconds
        }
        | {"refined": len(times.refined), "read": len(times.reading)}
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--showings", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with TemporaryDirectory() as name:
        results = measure(Path(name), arguments.showings, arguments.seed)
    for what, value in results.items():
        print(f"{what:20} {value}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "reading_time.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
