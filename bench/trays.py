"""Measure what the device says about several things that lie before it at once.

    python -m bench.trays [--acts 200] [--seed 95001]

Simulated counters with two to six things on each, which come together or one by one; some touch.
Time is simulated as in `bench.showings`, but the processor's time of an analysis is added, so that
other processes do not count. No setting was chosen on the default seeds; 96001 and above were used
for that.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench.demonstration import RESULTS
from bench.showings import INTERVAL_S
from catalog.bundles.bundle import Bundle
from catalog.core.box import Box, overlap
from catalog.core.settings import CatalogSettings
from catalog.recognition.decision import Verdict
from edge.cli.demo import prepare
from edge.sighting import Frame
from edge.simulator.play import Play, Shown
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.verdict import Decision

SEED = 95_001
TRAYS_A_SEED = 5
FOUND = 0.5  # intersection over union of a thing's box with the true one


@dataclass
class Counts:
    """What was counted over all trays.

    Attributes:
        trays, things: How many were shown.
        whole: Trays of which every thing was found.
        found, named, wrong: Things that were found; of those, named rightly, and wrongly.
        invented: Things of the device where none lies.
        first, all: Seconds from the rest to the first answer about a tray, and to the last.
        missed: The seed, the act, and how many things of how many were found.
    """

    trays: int = 0
    things: int = 0
    whole: int = 0
    found: int = 0
    named: int = 0
    wrong: int = 0
    invented: int = 0
    first: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass
class Answers:
    """What was said about each thing of one tray, by the change of its look."""

    decisions: dict[int, Decision] = field(default_factory=dict)
    boxes: dict[int, Box] = field(default_factory=dict)
    at: dict[int, float] = field(default_factory=dict)

    def add(self, observation: Observation, at: float) -> None:
        """Take in what one frame was answered with, `at` seconds."""
        scene = observation.scene
        if scene is None or scene.thing_box is None:
            return
        self.boxes = {scene.change: scene.thing_box}
        self.boxes |= {other.change: other.thing_box for other in scene.others}
        if observation.found or observation.thing_unchanged:
            self._answer(scene.change, observation.decision, at)
        if observation.beside is not None:
            self._answer(observation.beside.thing.change, observation.beside.answer.decision, at)

    def _answer(self, change: int, decision: Decision, at: float) -> None:
        self.at.setdefault(change, at)
        self.decisions[change] = decision


def measure(bundle: Bundle, acts: int, seed: int) -> Counts:
    """Show trays until there are enough."""
    counts = Counts()
    while counts.trays < acts:
        _play(bundle, Play(seed, kinds=("tray",)), min(TRAYS_A_SEED, acts - counts.trays), counts)
        seed += 1
    return counts


def _play(bundle: Bundle, play: Play, acts: int, counts: Counts) -> None:
    """Show one counter to a new recognizer; only the frames that it analyses are drawn."""
    recognizer = Recognizer(bundle)
    for number in range(acts):
        frames = play.frames(number)
        answers = Answers()
        lying: tuple[Shown, ...] = ()
        index = 0 if number == 0 else frames.start
        while index < frames.stop:
            image, truth = play.frame(index)
            at = index / play.fps
            start = time.process_time()
            observation = recognizer.observe(Frame(image, at, index + 1))
            took = time.process_time() - start
            whole = len(truth.things) == len(play.act(number).showings)
            at_rest = whole and all(shown.still for shown in truth.things)
            if truth.act == number and (at_rest or not lying):
                lying = truth.things if at_rest else ()
                answers.add(observation, at + took)
            next_at = at + recognizer.next_interval_s(INTERVAL_S)
            index = max(index + 1, int(np.ceil(next_at * play.fps - 1e-6)))
        _count(play, number, lying, answers, counts)


def _count(
    play: Play, number: int, lying: Sequence[Shown], answers: Answers, counts: Counts
) -> None:
    """Compare what was said last about a tray with what lies on it."""
    counts.trays += 1
    counts.things += len(lying)
    left = dict(answers.boxes)
    found = 0
    for shown in lying:
        fits = {change: overlap(box, Box(*shown.box)) for change, box in left.items()}
        change = max(fits, key=lambda known: fits[known], default=-1)
        if fits.get(change, 0.0) < FOUND:
            continue
        del left[change]
        found += 1
        decision = answers.decisions.get(change)
        if decision is None or decision.verdict not in (Verdict.MATCH, Verdict.ONE_OF):
            continue
        right = decision.matches[0].sku == shown.sku
        counts.named += right
        counts.wrong += not right
    counts.found += found
    counts.invented += len(left)
    counts.whole += found == len(lying)
    if found < len(lying) or left:
        counts.missed.append(f"{play.seed} {number}: {found} of {len(lying)}, {len(left)} more")
    said = [at for change, at in answers.at.items() if change in answers.boxes]
    if said and lying:
        since = max(shown.since for shown in lying)
        counts.first.append(min((at for at in said if at >= since), default=since) - since)
        counts.all.append(max(max(said) - since, 0.0))


def table(counts: Counts) -> list[str]:
    """The counts as lines."""
    first, last = np.quantile(counts.first, 0.95), np.quantile(counts.all, 0.95)
    return [
        f"{counts.trays} trays, {counts.things} things; all things found on {counts.whole}",
        f"found     {counts.found / counts.things:7.1%}",
        f"named     {counts.named / max(counts.found, 1):7.1%} of those found, rightly",
        f"wrong     {counts.wrong / max(counts.found, 1):7.1%}",
        f"invented  {counts.invented / counts.things:7.1%}",
        f"seconds from the rest, p95: first answer {first:.2f}, last answer {last:.2f}",
    ]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="embedded", help="as for 'catalog build'")
    parser.add_argument("--acts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    path = prepare(RESULTS / "demonstration", CatalogSettings(), arguments.model)
    counts = measure(Bundle.open(path), arguments.acts, arguments.seed)
    print("\n".join(table(counts)))
    for missed in counts.missed:
        print(f"  {missed}")
    Path(RESULTS, "trays.json").write_text(json.dumps(vars(counts), indent=1))


if __name__ == "__main__":
    main()
