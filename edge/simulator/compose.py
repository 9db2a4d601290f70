"""Put a showing's cutouts on the counter: hand, thing with its shadow, thumb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.synthetic.render import Cutout, render
from edge.sighting import Image
from edge.simulator.hands import Hand, hand
from edge.simulator.timeline import Showing, ShowingState

BEYOND = 24  # pixels of an arm outside the frame


@dataclass(frozen=True, eq=False)
class Placed:
    """A cutout whose top left corner is at (x, y), which may lie outside the frame.

    `is_thing` is False for a hand.
    """

    cutout: Cutout
    x: int
    y: int
    is_thing: bool

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """The part inside the frame as (x, y, width, height); None where there is nplaced."""
        height, width = self.cutout.shape[:2]
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + width, size[0]), min(self.y + height, size[1])
        return (left, top, right - left, bottom - top) if right > left and bottom > top else None


@dataclass(frozen=True, eq=False)
class Layer:
    """A cutout, its resting place (top left corner), and the way (x, y) on which it leaves.

    `is_thing` is False for a hand that holds a thing, and `holds` is True for it.
    """

    cutout: Cutout
    x: int
    y: int
    way: tuple[float, float]
    is_thing: bool = False
    holds: bool = False

    def at(self, state: ShowingState) -> Placed:
        """Where the cutout is in a state of its showing."""
        away = state.hand_away if self.holds else state.away
        return Placed(
            self.cutout,
            round(self.x + away * self.way[0]),
            round(self.y + away * self.way[1]),
            is_thing=self.is_thing,
        )


def layers(showing: Showing, size: tuple[int, int]) -> list[Layer]:
    """A showing's cutouts, the farthest first."""
    random = np.random.default_rng([showing.seed, 8])
    width, height = size
    if showing.thing is None:
        return [_reaching(showing, random, size)]
    view = replace(showing.view, size=round(showing.size * height))
    cutout = _out_of_focus(render(showing.thing, view), random)
    rows, columns = cutout.shape[:2]
    x = round(np.clip(showing.x * width - columns / 2, 6, width - columns - 6))
    y = round(np.clip(showing.y * height - rows / 2, 6, height - rows - 6))
    way = _way(showing, x, y, cutout, size)
    thing = Layer(cutout, x, y, way, is_thing=True)
    if not showing.in_hand:
        return [thing]
    return _holding(showing, thing, random, size)


def flattened(counter: Image, placed: Sequence[Placed]) -> Image:
    """The counter with all cutouts and their shadows on it."""
    picture = counter.copy()
    for piece in placed:
        if piece.is_thing:
            _shade(picture, piece)
        _paste(picture, piece)
    return picture


def _way(
    showing: Showing, x: int, y: int, cutout: Cutout, size: tuple[int, int]
) -> tuple[float, float]:
    columns = cutout.shape[1]
    if showing.side < 0:
        return (-float(x + columns), 0.12 * size[1])
    if showing.side > 0:
        return (float(size[0] - x), 0.12 * size[1])
    return (0.0, float(size[1] - y))


def _reaching(showing: Showing, random: np.random.Generator, size: tuple[int, int]) -> Layer:
    """A hand alone, which reaches from an edge of the frame to the showing's place."""
    width, height = size
    reach = hand(random, round(height * random.uniform(1.15, 1.5)), showing.view)
    cutout = _mirrored(_with_thumb(reach), mirror=random.random() < 0.5)
    turn = Turn(90.0 * showing.side + float(random.uniform(-25, 25)))
    cutout = turn.cutout(cutout)
    tip_x, tip_y = turn.point(0, -0.45 * height)
    x = round(showing.x * width - cutout.shape[1] / 2 - 0.5 * tip_x)
    y = round(showing.y * height - cutout.shape[0] / 2 - 0.5 * tip_y)
    rows, columns = cutout.shape[:2]  # the arm's end must be outside the frame
    if showing.side < 0:
        x = min(x, -BEYOND)
    elif showing.side > 0:
        x = max(x, width + BEYOND - columns)
    else:
        y = max(y, height + BEYOND - rows)
    return Layer(cutout, x, y, _way(showing, x, y, cutout, size), is_thing=True)


def _holding(
    showing: Showing, thing: Layer, random: np.random.Generator, size: tuple[int, int]
) -> list[Layer]:
    """The thing between the palm and the thumb of a hand that comes from the left or right."""
    rows, columns = thing.cutout.shape[:2]
    holder = hand(random, round(size[1] * random.uniform(1.15, 1.4)), showing.view)
    side = showing.side or (1 if random.random() < 0.5 else -1)
    flip = -side  # the thumb is on the upper side
    turn = Turn(side * float(random.uniform(50, 75)))
    behind = turn.cutout(_mirrored(holder.behind, mirror=side > 0))
    thumb = turn.cutout(_mirrored(holder.thumb, mirror=side > 0))
    grip_x, grip_y = turn.point(flip * holder.grip[0], holder.grip[1])
    thumb_x, thumb_y = turn.point(flip * holder.thumb_at[0], holder.thumb_at[1])
    middle_x = thing.x + columns * (0.5 + side * 0.4) - grip_x
    middle_y = thing.y + rows * 0.62 - grip_y
    x, y = round(middle_x - behind.shape[1] / 2), round(middle_y - behind.shape[0] / 2)
    gone = (
        max(size[0] - min(x, thing.x), 0)
        if side > 0
        else -max(x + behind.shape[1], thing.x + columns)
    )
    way = (float(gone), 0.25 * size[1])
    at = (
        round(middle_x + thumb_x - thumb.shape[1] / 2),
        round(middle_y + thumb_y - thumb.shape[0] / 2),
    )
    return [
        Layer(behind, x, y, way, holds=True),
        replace(thing, way=way),
        Layer(thumb, *at, way, holds=True),
    ]


@dataclass(frozen=True)
class Turn:
    """A turn in the picture's plane, in degrees counterclockwise."""

    degrees: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Turn an offset from the middle; y runs down."""
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        return float(x * cosine + y * sine), float(y * cosine - x * sine)

    def cutout(self, cutout: Cutout) -> Cutout:
        """Turn a cutout about its middle, on a canvas that holds all of it."""
        rows, columns = cutout.shape[:2]
        middle = (columns / 2, rows / 2)
        matrix = np.asarray(cv2.getRotationMatrix2D(middle, self.degrees, 1), np.float64)
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        wide, high = (
            int(rows * sine + columns * cosine) + 2,
            int(rows * cosine + columns * sine) + 2,
        )
        matrix[:, 2] += (wide / 2 - columns / 2, high / 2 - rows / 2)
        solid = cutout.astype(np.float32)
        solid[..., :3] *= solid[..., 3:] / 255
        turned = np.asarray(cv2.warpAffine(solid, matrix, (wide, high)), np.float32)
        turned[..., :3] *= 255 / np.maximum(turned[..., 3:], 1)
        return np.asarray(np.clip(turned + 0.5, 0, 255), np.uint8)


def _with_thumb(whole: Hand) -> Cutout:
    """The whole hand on a canvas that is wide enough for its thumb."""
    rows, columns = whole.behind.shape[:2]
    high, wide = whole.thumb.shape[:2]
    spare = max(0, round(wide / 2 - whole.thumb_at[0] - columns / 2) + 2)
    canvas = np.zeros((rows, columns + 2 * spare, 4), np.uint8)
    canvas[:, spare : spare + columns] = whole.behind
    x = round(spare + columns / 2 + whole.thumb_at[0] - wide / 2)
    y = round(rows / 2 + whole.thumb_at[1] - high / 2)
    ground, piece = canvas[y : y + high, x : x + wide], whole.thumb
    share = piece[..., 3:] / np.float32(255)
    ground[..., :3] = (ground[..., :3] * (1 - share) + piece[..., :3] * share).astype(np.uint8)
    ground[..., 3] = np.maximum(ground[..., 3], piece[..., 3])
    return canvas


def _mirrored(cutout: Cutout, *, mirror: bool) -> Cutout:
    return np.ascontiguousarray(cutout[:, ::-1]) if mirror else cutout


def _out_of_focus(cutout: Cutout, random: np.random.Generator) -> Cutout:
    """Blur a cutout a little."""
    soft = float(random.uniform(0.3, 0.8))
    colour = cv2.GaussianBlur(cutout[..., :3], (0, 0), soft)
    alpha = cv2.GaussianBlur(cutout[..., 3], (0, 0), 0.6)
    return np.dstack([colour, np.minimum(alpha, cutout[..., 3])])


def _shade(picture: Image, thing: Placed) -> None:
    """Darken the counter where the thing stands, and beside it, away from the light."""
    height, width = picture.shape[:2]
    alpha = np.zeros((height // 2, width // 2), np.float32)
    small = cv2.resize(thing.cutout[..., 3], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    _add(alpha, np.asarray(small, np.uint8), thing.x // 2 + 5, thing.y // 2 + 7)
    soft = cv2.resize(cv2.GaussianBlur(alpha, (0, 0), 7), (width, height))
    picture[:] = picture * (1 - np.float32(0.38 / 255) * soft[..., None])


def _add(target: NDArray[np.float32], piece: NDArray[np.uint8], x: int, y: int) -> None:
    height, width = piece.shape
    left, top = max(-x, 0), max(-y, 0)
    right, bottom = min(width, target.shape[1] - x), min(height, target.shape[0] - y)
    if right > left and bottom > top:
        target[y + top : y + bottom, x + left : x + right] += piece[top:bottom, left:right]


def _paste(picture: Image, placed: Placed) -> None:
    height, width = placed.cutout.shape[:2]
    left, top = max(-placed.x, 0), max(-placed.y, 0)
    right, bottom = (
        min(width, picture.shape[1] - placed.x),
        min(height, picture.shape[0] - placed.y),
    )
    if right <= left or bottom <= top:
        return
    piece = placed.cutout[top:bottom, left:right]
    ground = picture[placed.y + top : placed.y + bottom, placed.x + left : placed.x + right]
    share = piece[..., 3:] * np.float32(1 / 255)
    ground[:] = (ground * (1 - share) + piece[..., :3] * share + 0.5).astype(np.uint8)
