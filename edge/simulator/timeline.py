"""The order of the simulated showings, each with its own thing, place and light."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from catalog.synthetic.render import View

ShowingKind = Literal["empty", "item", "foreign", "hand"]

FIRST = 2.0  # seconds of empty counter before the first showing
ARRIVAL, DEPARTURE, HAND_OFF = 0.6, 0.4, 0.5  # seconds
RESTS, GAPS = (3.0, 4.0), (0.6, 1.0)  # seconds
FOREIGN_EVERY, HAND_EVERY = 6, 9
RECENT = 4  # showings that are kept whole


@dataclass(frozen=True)
class Showing:
    """One visit of a thing or a hand; times are in seconds.

    Attributes:
        number: Its running number.
        kind: What comes.
        thing: The thing; None for a hand.
        start: When it arrives, from the first frame.
        rest: How long it rests.
        gap: How long the counter is empty afterwards.
        view: How the thing is turned, and its light.
        size: The longer side, as a share of the frame's height.
        x, y: The place of the middle, as shares of the frame.
        side: -1 where it comes from the left, 1 from the right, 0 from below.
        in_hand: Whether a hand brings the thing, lets go of it, and leaves.
        seed: Chooses the rest.
    """

    number: int
    kind: ShowingKind
    thing: DrawnItem | None
    start: float
    rest: float
    gap: float
    view: View
    size: float
    x: float
    y: float
    side: int
    in_hand: bool
    seed: int

    @property
    def in_sight(self) -> float:
        """Seconds from its arrival to its end."""
        return ARRIVAL + self.rest + DEPARTURE

    @property
    def still_from(self) -> float:
        """Seconds from its arrival until nothing moves."""
        return ARRIVAL + (HAND_OFF if self.in_hand else 0)

    @property
    def still_until(self) -> float:
        """Seconds from its arrival until it leaves."""
        return ARRIVAL + self.rest


@dataclass(frozen=True)
class ShowingState:
    """A showing at a time.

    Attributes:
        showing: The showing; None before the first.
        away: How far the thing is from its place, from 0 (there) to 1 (out of sight).
        hand_away: The same for the hand that holds the thing.
        still: Whether nothing moves.
        hidden: Whether the thing has left.
    """

    showing: Showing | None
    away: float = 1.0
    hand_away: float = 1.0
    still: bool = True
    hidden: bool = False


class Timeline:
    """An endless row of showings, the same for the same seed.

    It remembers eight bytes of each showing that was: its start.
    """

    def __init__(self, seed: int, items: Sequence[DrawnItem], *, foreign: bool = True) -> None:
        self._seed, self._items, self._foreign = seed, items, foreign
        self._starts = array("d", [FIRST])
        self._recent: OrderedDict[int, Showing] = OrderedDict()

    def showing(self, number: int) -> Showing:
        """Showing `number`, from 0."""
        if number not in self._recent:
            while len(self._starts) <= number:
                self._begin_next()
            self._recent[number] = self._make(number)
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)
        return self._recent[number]

    def at(self, seconds: float) -> ShowingState:
        """What happens at a time."""
        if seconds < FIRST - 1e-6:
            return ShowingState(None)
        while self._starts[-1] <= seconds + 1e-6:
            self._begin_next()
        showing = self.showing(bisect_right(self._starts, seconds + 1e-6) - 1)
        return showing_state(showing, seconds - showing.start)

    def _begin_next(self) -> None:
        last = self.showing(len(self._starts) - 1)
        self._starts.append(last.start + last.in_sight + last.gap)

    def _make(self, number: int) -> Showing:
        random = np.random.default_rng([self._seed, number, 3])
        kind = self._kind(number)
        return Showing(
            number=number,
            kind=kind,
            thing=self._thing(kind, number),
            start=self._starts[number],
            rest=float(random.uniform(*RESTS)),
            gap=float(random.uniform(*GAPS)),
            view=random_view(random),
            size=float(random.uniform(0.35, 0.75)),
            x=float(random.uniform(0.3, 0.7)),
            y=float(random.uniform(0.42, 0.6)),
            side=int(random.integers(-1, 2)),
            in_hand=bool(kind != "hand" and random.random() < 0.4),
            seed=int(random.integers(2**31)),
        )

    def _kind(self, number: int) -> ShowingKind:
        if number % HAND_EVERY == HAND_EVERY - 1:
            return "hand"
        if self._foreign and number % FOREIGN_EVERY == FOREIGN_EVERY - 1:
            return "foreign"
        return "item"

    def _thing(self, kind: ShowingKind, number: int) -> DrawnItem | None:
        """The thing of a showing; all items come in turn, in an order that the seed chooses."""
        if kind == "hand":
            return None
        hands = number // HAND_EVERY  # before this showing
        foreign = number // FOREIGN_EVERY - number // math.lcm(HAND_EVERY, FOREIGN_EVERY)
        foreign = foreign if self._foreign else 0
        if kind == "foreign":
            return next(foreign_things(self._seed * 100_003 + foreign, 1, HELD_OUT))
        cycle, place = divmod(number - hands - foreign, len(self._items))
        order = np.random.default_rng([self._seed, cycle, 4]).permutation(len(self._items))
        return self._items[int(order[place])]


def random_view(random: Generator) -> View:
    """Choose how a thing is turned, and in what light."""
    return View(
        yaw=float(random.uniform(-35, 35)),
        pitch=float(random.uniform(-15, 15)),
        roll=float(random.uniform(-12, 12)),
        azimuth=float(random.uniform(-60, 60)),
        elevation=float(random.uniform(25, 65)),
        strength=float(random.uniform(0.6, 1.3)),
        warmth=float(random.uniform(-0.8, 0.8)),
    )


def showing_state(showing: Showing, seconds: float) -> ShowingState:
    """A showing at a number of seconds after its start."""
    if seconds < ARRIVAL - 1e-6:
        away = 1 - _eased(seconds / ARRIVAL)
        return ShowingState(showing, away, away, still=False)
    if seconds < showing.still_from - 1e-6:
        return ShowingState(showing, 0, _eased((seconds - ARRIVAL) / HAND_OFF), still=False)
    if seconds < showing.still_until - 1e-6:
        return ShowingState(showing, 0, 1)
    if seconds < showing.in_sight - 1e-6:
        away = _eased((seconds - showing.still_until) / DEPARTURE)
        return ShowingState(showing, away, 1, still=False)
    return ShowingState(showing, hidden=True)


def _eased(share: float) -> float:
    """A smooth step from 0 to 1."""
    return share * share * (3 - 2 * share)
