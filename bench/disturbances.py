"""Measure what light, arms, like things and imperfect cameras do to the device's answers.

    python -m bench.disturbances [--acts 50] [--only arm] [--seed 97001]

Simulated counters, some acts on each. Time is simulated as in `bench.showings`, but the processor's
time of an analysis is added, not the clock's, so that other processes do not count. No setting
was chosen on the default seeds; 98001 and above were used for that.
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
from edge.simulator.acts import ActKind
from edge.simulator.play import Play, PlayTruth, Shown
from edge.simulator.sensor import CameraFaults
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer

SEED = 97_001
ACTS_A_SEED = 5
GRACE_S = 1.0  # after a thing is gone; for so long it may still be named
LONGEST_ANSWER_S = 2.0  # after the rest; from then on "nothing" is wrong
CASES: dict[str, tuple[tuple[ActKind, ...], CameraFaults]] = {
    "cloud": (("cloud",), CameraFaults()),
    "lamp": (("lamp",), CameraFaults()),
    "person": (("shadow",), CameraFaults()),
    "arm": (("arm",), CameraFaults()),
    "alike": (("alike",), CameraFaults()),
    "bursts": (("item", "empty"), CameraFaults(bursts=True)),
    "tremble": (("item",), CameraFaults(tremble=1.1)),
    "carried": (("item",), CameraFaults(tremble=1.1, sway=20.0)),
}


@dataclass
class Counts:
    """What was counted over the acts of one case."""

    acts: int = 0
    things: int = 0  # that came to rest
    empty: int = 0  # acts without a thing
    nothing: list[str] = field(default_factory=list)  # a thing rests, and the answer is "nothing"
    made: list[str] = field(default_factory=list)  # no thing is there, and one is at rest
    leader: list[str] = field(default_factory=list)  # the answer is not about the newest thing
    wrong: list[str] = field(default_factory=list)  # another item is named
    changes: list[str] = field(default_factory=list)  # of the answer, while all things rest
    late: list[float] = field(default_factory=list)


@dataclass
class Watched:
    """What was seen of one act so far."""

    newest: Shown | None = None
    last: Observation | None = None
    answer: object = None
    gone_at: float = 0.0
    marks: set[str] = field(default_factory=set)


def measure(bundle: Bundle, case: str, acts: int, seed: int) -> Counts:
    """Play acts of one case until there are enough."""
    kinds, faults = CASES[case]
    counts = Counts()
    while counts.acts < acts:
        play = Play(seed, kinds=kinds, faults=faults)
        _play(bundle, play, min(ACTS_A_SEED, acts - counts.acts), counts)
        seed += 1
    return counts


def _play(bundle: Bundle, play: Play, acts: int, counts: Counts) -> None:
    """Show one counter to a new recognizer; only the frames that it analyses are drawn."""
    recognizer = Recognizer(bundle)
    next_at = 0.0
    watched, act = Watched(), -1
    end = play.frames(acts - 1).stop
    index = 0
    while index < end:
        image, truth = play.frame(index)
        at = index / play.fps
        if truth.act != act:
            _finish(play, act, watched, counts)
            watched, act = Watched(gone_at=at), truth.act
        start = time.process_time()
        observation = recognizer.observe(Frame(image, at, index + 1))
        took = time.process_time() - start
        _look(truth, observation, at, took, watched, counts)
        next_at = at + recognizer.next_interval_s(INTERVAL_S)
        index = max(index + 1, int(np.ceil(next_at * play.fps - 1e-6)))
    _finish(play, act, watched, counts)


def _look(
    truth: PlayTruth,
    observation: Observation,
    at: float,
    took: float,
    watched: Watched,
    counts: Counts,
) -> None:
    """Take in what one frame was answered with."""
    verdict = observation.decision.verdict
    if not truth.things:
        watched.newest, watched.answer = None, None
        long_gone = truth.state == "empty" and at - watched.gone_at > GRACE_S
        if long_gone and verdict is not Verdict.NOTHING:
            watched.marks.add("made")
        return
    watched.gone_at = at
    still = [shown for shown in truth.things if shown.still]
    if not still:
        return
    newest = max(still, key=lambda shown: shown.since)
    if watched.newest is None or newest.since != watched.newest.since:
        watched.newest, watched.answer = newest, None
        counts.things += 1
        watched.last = None
    late = at + took - newest.since
    searched = bool(observation.found) or observation.thing_unchanged
    if watched.answer is None and searched and _is_about(observation, newest):
        watched.answer = observation.decision.subject
        counts.late.append(late)
    elif watched.answer not in (None, observation.decision.subject):
        watched.answer = observation.decision.subject
        watched.marks.add("changes")
    if late > LONGEST_ANSWER_S:
        watched.marks |= _faults(truth, observation, newest)
    matches = observation.decision.matches
    if searched and matches and matches[0].sku != newest.sku and watched.answer is not None:
        watched.marks.add("wrong")


def _faults(truth: PlayTruth, observation: Observation, newest: Shown) -> set[str]:
    """What is wrong with an answer that has had its time."""
    if observation.decision.verdict is Verdict.NOTHING:
        return {"nothing"}
    wrong = truth.state == "rest" and not _is_about(observation, newest)
    return {"leader"} if wrong and all(shown.still for shown in truth.things) else set()


def _is_about(observation: Observation, shown: Shown) -> bool:
    scene = observation.scene
    if scene is None or scene.thing_box is None:
        return False
    return overlap(scene.thing_box, Box(*shown.box)) >= 0.5


def _finish(play: Play, act: int, watched: Watched, counts: Counts) -> None:
    if act < 0:
        return
    counts.acts += 1
    counts.empty += not play.act(act).showings
    if watched.answer is None and watched.newest is not None:
        watched.marks.add("nothing")
    for mark in watched.marks:
        getattr(counts, mark).append(f"{play.seed} {act}")


def table(found: dict[str, Counts]) -> Sequence[str]:
    """The counts as lines."""
    head = ("acts", "things", "nothing", "made", "leader", "wrong", "changes", "p50", "p95")
    lines = [f"{'':10}" + "".join(f"{name:>9}" for name in head)]
    for case, counts in found.items():
        late = [f"{np.quantile(counts.late, q):.2f}" if counts.late else "-" for q in (0.5, 0.95)]
        cells = (
            *(counts.acts, counts.things, len(counts.nothing), len(counts.made)),
            *(len(counts.leader), len(counts.wrong), len(counts.changes), *late),
        )
        lines.append(f"{case:10}" + "".join(f"{cell:>9}" for cell in cells))
    return lines


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="embedded", help="as for 'catalog build'")
    parser.add_argument("--acts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=CASES, action="append")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    path = prepare(RESULTS / "demonstration", CatalogSettings(), arguments.model)
    bundle = Bundle.open(path)
    found = {
        case: measure(bundle, case, arguments.acts, arguments.seed)
        for case in arguments.only or CASES
    }
    print("\n".join(table(found)))
    for case, counts in found.items():
        for mark in ("nothing", "made", "leader", "wrong", "changes"):
            if getattr(counts, mark):
                print(f"  {case}, {mark}: {', '.join(getattr(counts, mark))}")
    Path(RESULTS, "disturbances.json").write_text(
        json.dumps({case: vars(counts) for case, counts in found.items()}, indent=1)
    )


if __name__ == "__main__":
    main()
