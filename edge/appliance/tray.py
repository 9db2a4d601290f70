"""The things that lie before the camera, each with its own sighting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.appliance.sightings import place_of
from edge.sighting import Place, Sighting, ThingBeside
from edge.vision.scene import SceneState


class Tray:
    """Knows the sighting of each thing that lies before the camera.

    A thing is known by the number of its look, `change` in `SceneState`.
    """

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}  # the one that leads first, then the newest
        self._sightings: dict[int, Sighting] = {}
        self._features: dict[int, NDArray[np.float32]] = {}

    def clear(self) -> None:
        """Forget all things."""
        self._places.clear()
        self._sightings.clear()
        self._features.clear()

    def follow(self, scene: SceneState | None, size: tuple[int, int]) -> None:
        """Take in what lies in a frame of this width and height."""
        self._places.clear()
        if scene is not None and scene.thing_box is not None:
            self._places[scene.change] = place_of(scene.thing_box, size)
            for other in scene.others:
                if other.is_clear or other.change in self._sightings:
                    self._places[other.change] = place_of(other.thing_box, size)
        for change in {*self._sightings, *self._features} - self._places.keys():
            self._sightings.pop(change, None)
            self._features.pop(change, None)

    def see(self, change: int, features: NDArray[np.float32] | None) -> None:
        """Take in the network's output for a thing, float32 (d,), where it ran."""
        if features is not None and change in self._places:
            self._features[change] = features

    def features(self, change: int) -> NDArray[np.float32] | None:
        """The network's newest output for a thing; None where it has not run."""
        return self._features.get(change)

    def add(self, change: int, sighting: Sighting) -> None:
        """Take in the newest sighting of a thing."""
        if change in self._places:
            self._sightings[change] = sighting

    def sighting(self, change: int) -> Sighting | None:
        """The sighting of a thing; None where it has none."""
        return self._sightings.get(change)

    def around(self, change: int) -> tuple[Place | None, tuple[ThingBeside, ...]]:
        """Where a thing lies, and what lies beside it."""
        others = tuple(self._beside(other) for other in self._places if other != change)
        return self._places.get(change), others if change in self._places else ()

    def _beside(self, change: int) -> ThingBeside:
        place, sighting = self._places[change], self._sightings.get(change)
        if sighting is None:
            return ThingBeside(place)
        return ThingBeside(place, sighting.id, sighting.verdict, sighting.matches, sighting.guesses)
