"""What is known of each thing that lies there: its looks, then the answer about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.bundles.bundle import Bundle
from edge.sighting import Frame
from edge.vision.looks import Looks
from edge.vision.picture_search import CodeReading, Observation
from edge.vision.scene import SceneState, SceneThing


@dataclass(frozen=True)
class Known:
    """What was answered about one look of a thing that still lies there.

    Attributes:
        observation: The newest answer.
        reading: What its codes say.
        is_final: Whether nothing more is looked for.
    """

    observation: Observation
    reading: CodeReading
    is_final: bool


class ThingsAtRest:
    """The looks of the things that wait for an answer, and the answers about the others.

    A thing is told by the scene's `change`: the number is another one as soon as the thing looks
    otherwise.
    """

    def __init__(self) -> None:
        self._looks: dict[int, Looks] = {}
        self._known: dict[int, Known] = {}

    def looks(self, change: int) -> Looks:
        """The looks of a thing; none yet where it is new."""
        return self._looks.setdefault(change, Looks())

    def take_looks(self, change: int) -> Looks:
        """The looks of a thing, which are forgotten here."""
        return self._looks.pop(change)

    def known(self, change: int) -> Known | None:
        """The answer about a thing; None where there is none."""
        return self._known.get(change)

    def remember(self, change: int, known: Known) -> None:
        """Keep an answer as long as the thing lies there, and its looks as long as they serve."""
        self._known[change] = known
        if known.is_final:
            self._looks.pop(change, None)

    def waiting(self, scene: SceneState) -> list[SceneThing]:
        """The things beside the one that leads that can be answered, and are not yet."""
        return [it for it in scene.others if it.is_clear and it.change not in self._known]

    def look_at(self, things: Iterable[SceneThing], bundle: Bundle, frame: Frame) -> None:
        """Add a frame to the looks of things."""
        for thing in things:
            self.looks(thing.change).add(bundle, frame.image, thing.box, thing.alpha)

    def forget(self) -> None:
        """Forget all things."""
        self._looks.clear()
        self._known.clear()

    def forget_gone(self, scene: SceneState) -> None:
        """Forget the things that are gone, or that look otherwise now."""
        here = {scene.change, *(other.change for other in scene.others)}
        self._looks = {change: it for change, it in self._looks.items() if change in here}
        self._known = {change: it for change, it in self._known.items() if change in here}
