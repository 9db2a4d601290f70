"""What the device says about each showing on a simulated counter.

Time is simulated: a frame is analysed as often as the appliance's loop would do it, and the
seconds that the analysis takes on this machine are added.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box, overlap
from catalog.recognition.decision import Verdict
from edge.sighting import Frame, Image
from edge.simulator.play import Play, PlayTruth, Shown
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer

INTERVAL_S = 0.25  # between two analysed frames of an unchanged scene
SIMILAR_SIZE = 0.67  # of the largest thing's box
GRACE_S = 1.0  # after a thing is gone; for so long it may still be named


@dataclass
class Rest:
    """One time in which things were at rest, or the counter was empty.

    Attributes:
        act: The number of the act.
        kind: Its kind.
        truth: What lies there.
        since: When it began, in simulated seconds.
        answers: Verdicts with the first item named, each that differs from the one before.
        late: Seconds from the rest to the first answer; None where there was none.
        overlap: Of the box that was found with the box of the thing `sku`.
        sku: The thing that the box fits best; empty for a foreign thing.
        things: How many things the device saw.
        first: The nearest item of the answer, whatever the verdict.
        named: Whether an item was named where none lies.
        crop: The crop that was searched.
    """

    act: int
    kind: str
    truth: PlayTruth
    since: float
    answers: list[tuple[Verdict, str | None]] = field(default_factory=list)
    late: float | None = None
    overlap: float = 0.0
    sku: str = ""
    things: int = 0
    first: str | None = None
    named: bool = False
    crop: Image | None = None

    @property
    def answer(self) -> tuple[Verdict, str | None]:
        """The settled verdict, with the first item that it names."""
        return self.answers[-1] if self.answers else (Verdict.NOTHING, None)

    def add(self, observation: Observation, searched: Observation | None, late: float) -> None:
        """Add what one frame was answered with.

        Args:
            observation: The answer.
            searched: The newest answer for which the catalogue was searched.
            late: Seconds from the rest to this answer.
        """
        decision = observation.decision
        if self.truth.things and (observation.found or observation.thing_unchanged):
            if self.late is None:
                self.late = late
            if searched is not None:
                self.first = searched.found[0].sku
                self.crop = searched.crop.image if searched.crop is not None else None
            answer = (decision.verdict, decision.matches[0].sku if decision.matches else None)
            if not self.answers or self.answers[-1] != answer:
                self.answers.append(answer)
            self._add_box(observation)

    def _add_box(self, observation: Observation) -> None:
        scene = observation.scene
        if scene is None or scene.thing_box is None:
            return
        self.overlap, self.sku = max(
            (overlap(scene.thing_box, Box(*shown.box)), shown.sku or "")
            for shown in large(self.truth.things)
        )
        self.things = scene.things


def rests(bundle: Bundle, play: Play, acts: int) -> Iterator[Rest]:
    """Play one counter to a new recognizer; gives each rest when it is over."""
    recognizer = Recognizer(bundle)
    next_at = 0.0
    rest: Rest | None = None
    searched: Observation | None = None
    for index in range(play.frames(acts - 1).stop):
        image, truth = play.frame(index)
        at = index / play.fps
        if rest is None or not _same(truth, rest.truth):
            if rest is not None:
                yield rest
            rest = None
            if truth.state != "moving":
                rest = Rest(truth.act, truth.kind, truth, at)
        if at < next_at - 1e-9:
            continue
        start = time.perf_counter()
        observation = recognizer.observe(Frame(image, at, index + 1))
        took = time.perf_counter() - start
        next_at = at + recognizer.next_interval_s(INTERVAL_S)
        searched = observation if observation.found else searched
        if rest is None:
            continue
        rest.add(observation, searched, at + took - rest.since)
        if not truth.things and observation.decision.matches and at - rest.since > GRACE_S:
            rest.named = True
    if rest is not None:
        yield rest


def _same(truth: PlayTruth, other: PlayTruth) -> bool:
    """Whether two frames belong to the same rest."""
    return (truth.act, truth.state, truth.things) == (other.act, other.state, other.things)


def large(things: tuple[Shown, ...]) -> list[Shown]:
    """The largest thing, and one of similar size: the answer may be about either."""
    sizes = [shown.box[2] * shown.box[3] for shown in things]
    return [
        shown for shown, size in zip(things, sizes, strict=True) if size >= SIMILAR_SIZE * sizes[0]
    ]
