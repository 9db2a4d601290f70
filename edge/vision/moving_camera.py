"""The scene before a camera that trembles or is carried about.

Where the camera only trembles, its pictures are laid over each other, and the scene has a
background as that of a camera that stands still. Else nothing is known of the background.
"""

from __future__ import annotations

from dataclasses import replace

from catalog.networks.finder import FindThings
from edge.sighting import Image
from edge.vision.changing_scene import ChangingScene
from edge.vision.scene import Numbers, Scene, SceneState
from edge.vision.steadying import Steadying

STEADIED_MOVES = 0.95  # share of the looks; if so many steadied pictures move, steadying is no use
LOST_S = 2.0  # something may cover most of the picture for so long


class MovingCamera:
    """Follows a camera that moves, until it stands still.

    Attributes:
        trembles: Whether it moves so little that its pictures could be laid over each other.

    Args:
        find: Finds the things in a frame, BGR uint8 (h, w, 3).
        fixed: A scene for the pictures of a camera that trembles.
        numbers: The numbers last given to a look and to a visit.
    """

    def __init__(self, find: FindThings, fixed: Scene, numbers: Numbers) -> None:
        self.trembles = True
        self.fixed = fixed
        self._numbers = numbers
        self._steadying = Steadying()
        self._found_at: float | None = None
        self._carried, self._carried_change = ChangingScene(find), 0

    def update(self, image: Image, at: float) -> SceneState:
        """Take in a frame, BGR uint8 (h, w, 3), which was taken at a time in seconds."""
        if self.trembles:
            steadied = self._steadying.steadied(image, self.fixed.background)
            if self._steadying.is_found or self._found_at is None:
                self._found_at = at
            state = self.fixed.update(steadied, at)
            self.trembles = (
                at - self._found_at < LOST_S
                and not self._steadying.is_too_far
                and not self.fixed.camera_moves
            )
            if self.trembles:
                return state
        state = self._carried.update(image, at)
        if state.change != self._carried_change:
            self._carried_change = state.change
            self._numbers.change += 1
            self._numbers.visit += 1
        return replace(state, change=self._numbers.change, visit=self._numbers.visit)
