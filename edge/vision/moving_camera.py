"""The scene before a camera that trembles or is carried about.

Where the camera only trembles, its pictures are laid over the background, as if it stood still.
Else nothing is known of the background.
"""

from __future__ import annotations

from dataclasses import replace

from catalog.networks.finder import FindThings
from edge.sighting import Image
from edge.vision.changing_scene import ChangingScene
from edge.vision.scene import Numbers, Scene, SceneState
from edge.vision.steadying import Steadying

STEADIED_MOVES = 0.95  # share of the looks; if so many steadied pictures move, steadying is no use
CHANGE_S = 2.0  # for so long, until a camera that trembled is carried, or one that was trembles


class MovingCamera:
    """Follows a camera that moves.

    Attributes:
        fixed: The scene of its pictures, laid over the background.

    Args:
        find: Finds the things in a frame, BGR uint8 (h, w, 3).
        fixed: A scene for the pictures of a camera that trembles.
        numbers: The numbers last given to a look and to a visit.
    """

    def __init__(self, find: FindThings, fixed: Scene, numbers: Numbers) -> None:
        self.fixed = fixed
        self._is_near = True  # its pictures to the background
        self._numbers = numbers
        self._steadying = Steadying()
        self._since: float | None = None  # since when the shift tells of the other way to move
        self._carried, self._carried_change = ChangingScene(find), 0

    @property
    def trembles(self) -> bool:
        """Whether it moves so little that its pictures are laid over the background."""
        return self._is_near and not self.fixed.camera_moves

    def update(self, image: Image, at: float, *, moves: bool) -> SceneState:
        """Take in a frame.

        Args:
            image: BGR uint8 (h, w, 3).
            at: When it was taken, in seconds.
            moves: Whether the camera is seen to move now. While it is not, as where it stands or
                somebody covers it, nothing says that it is carried.
        """
        self._steadying.find(image, self.fixed.background)
        is_near = self._steadying.is_found and not self._steadying.is_too_far
        if is_near == self._is_near or self._since is None or not moves:
            self._since = at
        is_gone = self._is_near and moves and self._steadying.is_too_far
        if is_gone or at - self._since >= CHANGE_S:
            self._is_near, self._since = is_near, at
        if self.trembles:
            return self.fixed.update(self._steadying.undo(image), at)
        state = self._carried.update(image, at)
        if state.change != self._carried_change:
            self._carried_change = state.change
            self._numbers.change += 1
            self._numbers.visit += 1
        return replace(state, change=self._numbers.change, visit=self._numbers.visit)
