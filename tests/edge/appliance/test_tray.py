"""Several things before the camera: each has its own sighting."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from catalog.bundles.bundle import Bundle
from catalog.recognition.decision import Verdict
from edge.appliance.loop import RecognitionLoop
from edge.cameras import CameraState
from edge.latest import Latest
from edge.settings import EdgeSettings
from edge.sighting import Frame, Image, Sighting
from edge.simulator.play import Play
from edge.simulator.timeline import Showing
from edge.vision.picture_search import Observation
from tests.edge.vision.test_tray import A_SECOND, counter


class Frames:
    """A camera reader that shows each picture until it was analysed, then stops the loop."""

    learns_background = True
    state = CameraState("online", 0.0)

    def __init__(self) -> None:
        self.stopping = Event()
        self.number = self.sequence = 0
        self.left: list[Image] = []

    def frame(self, after: int, timeout: float) -> Frame | None:
        """The next frame."""
        if not self.left:
            self.stopping.set()
            return None
        self.sequence += 1
        return Frame(self.left[-1], self.number / A_SECOND, self.sequence)

    def analysed(self, frame: Frame, observation: Observation) -> None:
        """Show the next picture."""
        self.number += 1
        self.left.pop()


class Counter:
    """A loop, and what lies before its camera."""

    def __init__(self, bundle: Bundle) -> None:
        settings = EdgeSettings.model_validate({"interval_ms": 20})
        self.frames = Frames()
        self.loop = RecognitionLoop(
            settings,
            self.frames,  # type: ignore[arg-type]
            bundle,
            on_observation=self.frames.analysed,
        )
        self.lie()

    def lie(self, *showings: Showing, frames: int = 20) -> Sighting:
        """The sighting that leads after some things have lain there for a while."""
        self.frames.left = [counter(*showings)] * frames
        self.frames.stopping.clear()
        self.loop.run(self.frames.stopping, lambda: None)
        leading = self.loop.latest.leading()
        assert leading is not None
        return leading


@pytest.fixture(scope="module")
def things() -> tuple[Showing, ...]:
    """Three things, of which none hides another."""
    return Play(96_001, kinds=("tray",)).act(0).showings[:3]


@pytest.fixture
def shown(demonstration: Path) -> Counter:
    """An empty counter."""
    return Counter(Bundle.open(demonstration))


def test_each_thing_has_a_sighting_of_its_own(shown: Counter, things: tuple[Showing, ...]) -> None:
    leading = shown.lie(*things)
    assert len(leading.others) == 2
    for other in leading.others:
        own = shown.loop.latest.find(other.sighting)
        assert own is not None
        assert own.matches == other.matches
        assert own.crop_jpeg
        assert own.place == other.place
        assert own.seen_until == leading.seen_until
    places = [leading.place, *(other.place for other in leading.others)]
    assert all(place is not None and 0 <= place.left < 1 for place in places)
    assert len({place.left for place in places if place is not None}) == 3


def test_a_thing_taken_away_changes_no_other_sighting(
    shown: Counter, things: tuple[Showing, ...]
) -> None:
    first = shown.lie(things[0])
    second = shown.lie(*things[:2])
    assert second.id != first.id
    assert [other.sighting for other in second.others] == [first.id]
    again = shown.lie(things[0])
    assert again.id == first.id
    assert again.others == ()
    assert again.seen_until > second.seen_until
    verdicts = [sighting.verdict for sighting in shown.loop.latest.all()]
    assert verdicts.count(Verdict.NOTHING) == 1, "only before the first thing"
    assert len(verdicts) == 3
    gone = shown.lie()
    assert gone.verdict is Verdict.NOTHING
    assert gone.others == ()


def test_a_sighting_that_leads_is_held_however_many_came_since() -> None:
    latest = Latest(capacity=2)
    first, *others = (
        Sighting(str(number), number, 0.0, 0.0, Verdict.UNKNOWN, (), "") for number in range(4)
    )
    latest.publish(first)
    for other in others:
        latest.publish(other)
    assert latest.find(first.id) is None
    latest.lead(first)
    assert latest.leading() == latest.find(first.id) == first
