"""What the device says of each showing on a simulated counter.

Time is simulated: the device looks as often as the appliance's loop would let it, and the
seconds that a look takes on this machine are added.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from catalog.bundles.bundle import Bundle
from catalog.recognition.decision import Verdict
from edge.sighting import Box, Frame, Image
from edge.simulator.play import CalibrationQuery, Play, PlayTruth
from edge.vision.images import overlap
from edge.vision.recognizer import Observation, Recognizer, next_look_s

INTERVAL = 0.25  # seconds between looks at an unchanged scene
ABOUT = 0.67  # of the largest thing's box
GRACE = 1.0  # seconds after a thing is gone in which it may still be named


@dataclass
class Rest:
    """What became of one time at rest, or empty.

    Attributes:
        answers: Verdicts with the first item named, each that differs from the one before.
        late: Seconds from the rest to the first answer; None where there was none.
        overlap: Of the box that was searched, with the box of the thing `sku`.
        things: How many the device saw.
        first: The nearest item of the answer, whatever the verdict.
        named: An item was named where none lies.
        look: The crop that was searched.
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
    look: Image | None = None

    @property
    def answer(self) -> tuple[Verdict, str | None]:
        """The settled verdict, with the first item that it names."""
        return self.answers[-1] if self.answers else (Verdict.NOTHING, None)


def rests(bundle: Bundle, play: Play, acts: int) -> Iterator[Rest]:
    """Play one counter to a fresh recognizer; each time at rest, or empty, when it is over."""
    recognizer = Recognizer(bundle)
    due = 0.0
    rest: Rest | None = None
    found: Observation | None = None  # what the newest answer was made of
    for index in range(play.frames(acts - 1).stop):
        image, truth = play.frame(index)
        at = index / play.fps
        same = rest is not None and (truth.act, truth.state, truth.things) == (
            rest.act,
            rest.truth.state,
            rest.truth.things,
        )
        if not same:
            if rest is not None:
                yield rest
            rest = None
            if truth.state != "moving":
                rest = Rest(truth.act, truth.kind, truth, at)
        if at < due - 1e-9:
            continue
        start = time.perf_counter()
        seen = recognizer.see(Frame(image, at, index + 1))
        took = time.perf_counter() - start
        due = at + next_look_s(recognizer, INTERVAL)
        found = seen if seen.found else found
        if rest is None:
            continue
        said = seen.opinion
        if truth.things and (seen.found or seen.still):
            if rest.late is None:
                rest.late = at + took - rest.since
            if found is not None:
                rest.first = found.found[0].sku
                rest.look = found.look.image if found.look is not None else None
            answer = (said.verdict, said.matches[0].sku if said.matches else None)
            if not rest.answers or rest.answers[-1] != answer:
                rest.answers.append(answer)
            view = seen.view
            if view is not None and view.close is not None:
                rest.overlap, rest.sku = max(
                    (overlap(view.close, Box(*one.box)), one.sku or "")
                    for one in large(truth.things)
                )
                rest.things = view.things
        if not truth.things and said.matches and at - rest.since > GRACE:
            rest.named = True
    if rest is not None:
        yield rest


def large(things: tuple[CalibrationQuery, ...]) -> list[CalibrationQuery]:
    """The largest thing, and one that is about as large: either may be answered for."""
    sizes = [one.box[2] * one.box[3] for one in things]
    return [one for one, size in zip(things, sizes, strict=True) if size >= ABOUT * sizes[0]]
