"""The order of the simulated showings, each with its own thing, place and light."""

from __future__ import annotations

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
SHORTEST = ARRIVAL + RESTS[0] + DEPARTURE + GAPS[0]
FOREIGN_EVERY, HAND_EVERY = 6, 9


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
    """An endless row of showings, the same for the same seed."""

    def __init__(self, seed: int, items: Sequence[DrawnItem], *, foreign: bool = True) -> None:
        self._seed, self._items, self._foreign = seed, items, foreign
        self._showings: list[Showing] = []
        self._shown = {"item": 0, "foreign": 0}

    def showing(self, number: int) -> Showing:
        """Showing `number`, from 0."""
        while len(self._showings) <= number:
            self._showings.append(self._next())
        return self._showings[number]

    def at(self, seconds: float) -> ShowingState:
        """What happens at a time."""
        if seconds < FIRST - 1e-6:
            return ShowingState(None)
        low, high = 0, int(seconds / SHORTEST) + 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.showing(middle).start <= seconds + 1e-6:
                low = middle
            else:
                high = middle
        return showing_state(self.showing(low), seconds - self.showing(low).start)

    def _next(self) -> Showing:
        number = len(self._showings)
        random = np.random.default_rng([self._seed, number, 3])
        before = self._showings[-1] if self._showings else None
        start = FIRST if before is None else before.start + before.in_sight + before.gap
        kind: ShowingKind = "item"
        if number % HAND_EVERY == HAND_EVERY - 1:
            kind = "hand"
        elif self._foreign and number % FOREIGN_EVERY == FOREIGN_EVERY - 1:
            kind = "foreign"
        return Showing(
            number=number,
            kind=kind,
            thing=self._thing(kind),
            start=start,
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

    def _thing(self, kind: ShowingKind) -> DrawnItem | None:
        """The next thing of a kind; all items come in turn, in an order that the seed chooses."""
        if kind not in self._shown:
            return None
        count = self._shown[kind]
        self._shown[kind] += 1
        if kind == "foreign":
            return next(foreign_things(self._seed * 100_003 + count, 1, HELD_OUT))
        cycle, place = divmod(count, len(self._items))
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
