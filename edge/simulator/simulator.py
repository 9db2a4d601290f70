"""A simulated camera: an empty counter on which things arrive, rest and leave again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items
from edge.sighting import Image
from edge.simulator.backgrounds import background
from edge.simulator.compose import Layer, flattened, layers
from edge.simulator.timeline import ShowingKind, ShowingState, Timeline

NOISE = 2.2  # deviation of the sensor's noise, in grey levels
NOISE_MEAN = 16


@dataclass(frozen=True)
class Truth:
    """What a frame shows.

    Attributes:
        kind: What is in sight.
        sku: The item's; None for anything else.
        box: (x, y, width, height) of the visible part in pixels, without shadow and without a
            hand that holds the thing; None where nothing is in sight.
        resting: Whether nothing moves.
        showing: The running number of the showing; -1 before the first.
    """

    kind: ShowingKind
    sku: str | None
    box: tuple[int, int, int, int] | None
    resting: bool
    showing: int


class Simulator:
    """Frames of a kiosk's camera, each made from (seed, index) alone.

    Args:
        seed: Chooses the counter, the order of things and the view of each.
        items: Things that are in the catalogue; the demonstration's own by default.
        size: Width and height in pixels.
        fps: Frames per second of the simulated time.
        showings_per_background: Change the counter after so many showings; never by default.
        foreign: Whether things that are in no catalogue are shown, too.
    """

    def __init__(
        self,
        seed: int,
        items: Sequence[DrawnItem] | None = None,
        size: tuple[int, int] = (640, 480),
        fps: float = 10.0,
        showings_per_background: int | None = None,
        *,
        foreign: bool = True,
    ) -> None:
        self.seed, self.size, self.fps = seed, size, fps
        self._every = showings_per_background
        self.timeline = Timeline(seed, tuple(items or drawn_items()), foreign=foreign)
        self._noise = self._noises()
        self._backgrounds: dict[int, Image] = {}
        self._layers: dict[int, list[Layer]] = {}
        self._stills: dict[int, Image] = {}

    def frame(self, index: int) -> tuple[Image, Truth]:
        """Frame `index`, uint8 BGR (height, width, 3), and what it shows."""
        state = self.timeline.at(index / self.fps)
        image, truth = self._clean(state)
        return self._sensed(image, index), truth

    def showing(self, number: int) -> range:
        """Indices of the frames in which showing `number` is in sight, moving or resting."""
        showing = self.timeline.showing(number)
        return self._between(showing.start, showing.start + showing.in_sight)

    def resting(self, number: int) -> range:
        """Indices of the frames in which showing `number` rests and nothing moves."""
        showing = self.timeline.showing(number)
        return self._between(
            showing.start + showing.still_from, showing.start + showing.still_until
        )

    def empty(self, number: int = 0) -> Image:
        """The empty counter of a showing, without the sensor's noise."""
        segment = 0 if self._every is None else max(number, 0) // self._every
        if segment not in self._backgrounds:
            picture = background(self.seed * 1009 + segment, self.size)
            self._backgrounds = {segment: softened(picture)}
        return self._backgrounds[segment]

    def _clean(self, state: ShowingState) -> tuple[Image, Truth]:
        """The picture of a state of the showing, without noise, and its truth."""
        showing = state.showing
        if showing is None or state.hidden:
            number = -1 if showing is None else showing.number
            return self.empty(number), Truth("empty", None, None, resting=True, showing=number)
        if showing.number not in self._layers:
            self._layers = {showing.number: layers(showing, self.size)}
        placed = [layer.at(state) for layer in self._layers[showing.number]]
        box = next((piece.box(self.size) for piece in placed if piece.is_thing), None)
        thing = showing.thing if showing.kind == "item" else None
        truth = Truth(
            showing.kind if box is not None else "empty",
            None if thing is None or box is None else thing.sku,
            box,
            state.still,
            showing.number,
        )
        if not state.still:
            return flattened(self.empty(showing.number), placed), truth
        if showing.number not in self._stills:
            picture = flattened(self.empty(showing.number), placed)
            self._stills = {showing.number: softened(picture)}
        return self._stills[showing.number], truth

    def _sensed(self, image: Image, index: int) -> Image:
        """The picture with the sensor's noise and a lamp's flicker."""
        random = np.random.default_rng([self.seed, index, 5])
        width, height = self.size
        x, y = (int(shift) for shift in random.integers(0, 64, 2))
        grain = self._noise[y : y + height, x : x + width]
        flicker = 1 + 0.006 * float(random.standard_normal())
        return np.asarray(cv2.addWeighted(image, flicker, grain, 1.0, -NOISE_MEAN), np.uint8)

    def _noises(self) -> Image:
        width, height = self.size
        random = np.random.default_rng([self.seed, 6])
        grain = random.standard_normal((height + 64, width + 64, 3), np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), 0.55) * 1.6
        return np.asarray(np.clip(grain * NOISE + NOISE_MEAN + 0.5, 0, 255), np.uint8)

    def _between(self, start: float, end: float) -> range:
        return range(int(np.ceil(start * self.fps - 1e-6)), int(np.ceil(end * self.fps - 1e-6)))


def showings(
    seed: int,
    count: int,
    kinds: Sequence[Literal["item", "foreign", "hand"]] = ("item", "foreign", "hand"),
    items: Sequence[DrawnItem] | None = None,
    size: tuple[int, int] = (640, 480),
) -> Iterator[tuple[Truth, Image, Image]]:
    """The first `count` showings of these kinds: truth, one resting frame, empty counter."""
    simulator = Simulator(seed, items, size)
    number = 0
    while count > 0:
        frames = simulator.resting(number)
        if simulator.timeline.showing(number).kind in kinds:
            image, truth = simulator.frame(frames[len(frames) // 2])
            yield truth, image, simulator.empty(number)
            count -= 1
        number += 1


def softened(picture: Image) -> Image:
    """Blur a picture like a cheap lens, and compress it like a camera."""
    soft = cv2.GaussianBlur(picture, (0, 0), 0.7)
    packed = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 84])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
