"""Simulate what is hard for a camera: two things, hands, shadows, changes of light, bumps.

A play is a row of acts. Every frame is made from (seed, index) alone and comes with its truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items
from edge.sighting import Image
from edge.simulator.acts import KINDS, Act, ActKind, ActPlan
from edge.simulator.backgrounds import background
from edge.simulator.compose import Layer, Placed, flattened, layers
from edge.simulator.light import arm_shade, person_shade, regional_light
from edge.simulator.sensor import CameraFaults, Sensor
from edge.simulator.timeline import ARRIVAL, Showing, showing_state

ActState = Literal["empty", "moving", "rest"]

SOUND = CameraFaults()
TURNING, FOCUSING = 0.6, 0.8  # seconds that a thing turns, and that the camera focuses


@dataclass(frozen=True)
class Shown:
    """A thing in a frame.

    Attributes:
        sku: The item's; None for a foreign thing.
        box: (x, y, width, height) in pixels.
        still: Whether it lies still.
        since: From when on it lies still, in simulated seconds.
    """

    sku: str | None
    box: tuple[int, int, int, int]
    still: bool
    since: float


@dataclass(frozen=True)
class PlayTruth:
    """What a frame shows.

    Attributes:
        act: The number of the act.
        kind: Its kind.
        state: "empty": nothing is there and nothing moves; "rest": things, or a hand, at rest.
        things: The things, the largest first.
        hand: Whether a hand is in sight.
    """

    act: int
    kind: ActKind
    state: ActState
    things: tuple[Shown, ...] = ()
    hand: bool = False


@dataclass(frozen=True, eq=False)
class ShownPiece:
    """A cutout in a frame, the showing that it belongs to, and whether it lies still."""

    placed: Placed
    showing: Showing
    still: bool

    @property
    def sku(self) -> str | None:
        """The item's sku; None for a foreign thing or a hand."""
        thing = self.showing.thing if self.showing.kind == "item" else None
        return None if thing is None else thing.sku

    @property
    def is_arm(self) -> bool:
        """Whether it is a hand that holds nothing."""
        return self.showing.kind == "hand"


class Play:
    """Simulates a counter that is hard for a camera.

    Args:
        seed: Chooses everything.
        items: Things of the catalogue; the demonstration's own by default.
        size: Width and height in pixels.
        fps: Frames a second of the simulated time.
        kinds: The kinds of acts, which repeat, each time in another order.
        foreign: Things that are in no catalogue, which repeat; always new ones by default.
        faults: What is wrong with the camera.
    """

    def __init__(
        self,
        seed: int,
        items: Sequence[DrawnItem] | None = None,
        size: tuple[int, int] = (640, 480),
        fps: float = 10.0,
        kinds: Sequence[ActKind] = KINDS,
        foreign: Sequence[DrawnItem] = (),
        faults: CameraFaults = SOUND,
    ) -> None:
        self.seed, self.size, self.fps = seed, size, fps
        self._plan = ActPlan(seed, items or drawn_items(), size[0], kinds, foreign)
        self._layers: dict[tuple[int, int, float], list[Layer]] = {}
        random = np.random.default_rng([seed, 21])
        self._drift = random.uniform(0, 6.28, 4), random.uniform(20, 60, 4)
        lens = 0.6 + 0.3 * float(random.random())
        self._counter = np.asarray(
            cv2.GaussianBlur(background(seed * 1013 + 5, size), (0, 0), lens), np.uint8
        )
        self._sensor = Sensor(seed, size, fps, faults)

    def act(self, number: int) -> Act:
        """Act `number`, from 0."""
        return self._plan.act(number)

    def frames(self, number: int) -> range:
        """Indices of the frames of an act, with the empty counter after it."""
        start, end = self.act(number).start, self.act(number + 1).start
        return range(int(np.ceil(start * self.fps)), int(np.ceil(end * self.fps)))

    def frame(self, index: int) -> tuple[Image, PlayTruth]:
        """Frame `index`, uint8 BGR (height, width, 3), and what it shows."""
        seconds = index / self.fps
        act = self._plan.at(seconds)
        passed = seconds - act.start
        placed, hand, moving = self._placed(act, passed)
        picture = flattened(self._counter, [piece.placed for piece in placed])
        x, y = act.bump if passed >= 0 else (0.0, 0.0)
        shift_x, shift_y = self._sensor.shift(index)
        if (x, y) != (0.0, 0.0):
            move = np.array([[1, 0, x], [0, 1, y]], np.float32)
            picture = np.asarray(
                cv2.warpAffine(picture, move, self.size, borderMode=cv2.BORDER_REFLECT), np.uint8
            )
        things = sorted(
            (
                Shown(
                    piece.sku,
                    _moved(box, x + shift_x, y + shift_y, self.size),
                    piece.still,
                    act.start + piece.showing.start + piece.showing.still_from,
                )
                for piece in placed
                if piece.placed.is_thing
                and piece.showing.thing is not None
                and (box := piece.placed.box(self.size)) is not None
            ),
            key=lambda shown: -shown.box[2] * shown.box[3],
        )
        arms = [piece.placed for piece in placed if act.kind == "arm" and piece.is_arm]
        image, lit = self._seen(act, passed, seconds, picture, arms)
        at_rest = not moving and not lit
        state: ActState = "moving" if not at_rest else "rest" if things or hand else "empty"
        return self.sensed(image, index), PlayTruth(
            act.number, act.kind, state, tuple(things), hand
        )

    def _placed(self, act: Act, passed: float) -> tuple[list[ShownPiece], bool, bool]:
        """The cutouts in sight; whether a hand is in sight; whether anything moves."""
        placed: list[ShownPiece] = []
        hand, moving = False, False
        for place, showing in enumerate(act.showings):
            if passed < 0 or passed >= act.end:
                continue
            state = showing_state(showing, passed - showing.start)
            if passed < showing.start or state.hidden:
                continue
            yaw = 0.0
            if act.kind == "turn":
                yaw = act.turn * float(np.clip((passed - act.event_at) / TURNING, 0, 1))
                moving |= 0 <= passed - act.event_at < TURNING
            moving |= not state.still
            for layer in self._cutouts(act, place, showing, yaw):
                piece = layer.at(state)
                inside = piece.box(self.size) is not None
                hand |= inside and (layer.holds or showing.kind == "hand")
                placed.append(ShownPiece(piece, showing, state.still))
        return placed, hand, moving

    def _cutouts(self, act: Act, place: int, showing: Showing, yaw: float) -> list[Layer]:
        key = (act.number, place, yaw)
        if key not in self._layers:
            if len(self._layers) > 8:
                self._layers.clear()
            turned = replace(showing, view=replace(showing.view, yaw=showing.view.yaw + yaw))
            self._layers[key] = layers(turned, self.size)
        return self._layers[key]

    def _seen(
        self,
        act: Act,
        passed: float,
        seconds: float,
        picture: Image,
        arms: Sequence[Placed],
    ) -> tuple[NDArray[np.float32], bool]:
        """The picture in the moment's light and focus; and whether these change now."""
        changing = False
        phase, period = self._drift
        wave = np.sin(phase + 6.28 * seconds / period)
        level = (1 + 0.05 * wave[0]) * act.light ** (
            1.0 if act.kind == "light" and passed >= act.event_at else 0.0
        )
        white = 1 + np.array([0.03 * wave[1], 0.0, 0.03 * wave[2]])
        image = picture.astype(np.float32) * np.float32(level) * white.astype(np.float32)
        shade: NDArray[np.float32] | None = None
        if act.kind == "shadow":
            shade, changing = person_shade(act, passed, self.size)
        elif act.kind in ("cloud", "lamp"):
            shade, changing = regional_light(act, passed, self.size)
        elif arms:
            shade = arm_shade(arms, act, self.size)
        if shade is not None:
            image *= shade
        if act.kind == "light":
            changing |= 0 <= passed - act.event_at < 0.15
        if act.kind == "focus" and ARRIVAL <= passed < act.rest_from + FOCUSING:
            soft = 3.2 * (1 - (passed - ARRIVAL) / (act.rest_from + FOCUSING - ARRIVAL))
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), max(soft, 0.3)), np.float32)
            changing = True
        return image, changing

    def still(self) -> Image:
        """The empty counter, without the sensor's noise."""
        return self._counter

    def sensed(self, image: NDArray[Any], index: int) -> Image:
        """A picture (h, w, 3) with the sensor's noise, as the camera sends it."""
        return self._sensor.sensed(image, index)


def _moved(
    box: tuple[int, int, int, int], x: float, y: float, size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box after the camera was bumped, inside the frame."""
    left, top = max(0, round(box[0] + x)), max(0, round(box[1] + y))
    right = min(size[0], round(box[0] + x) + box[2])
    bottom = min(size[1], round(box[1] + y) + box[3])
    return left, top, max(0, right - left), max(0, bottom - top)
