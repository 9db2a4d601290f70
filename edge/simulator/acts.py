"""Plan the acts of a play: what comes when, and what is hard about it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.simulator.timeline import ARRIVAL, Showing, random_view

ActKind = Literal[
    "item",
    "foreign",
    "two",
    "turn",
    "hand",
    "empty",
    "light",
    "shadow",
    "focus",
    "bump",
    "cloud",
    "lamp",
    "arm",
    "alike",
    "tray",
]

KINDS: tuple[ActKind, ...] = (
    *("item", "two", "foreign", "turn", "hand", "item", "light", "shadow"),
    *("focus", "empty", "bump", "hand", "item", "foreign"),
)
# Light and hands that disturb what lies still.
DISTURBED: tuple[ActKind, ...] = ("cloud", "lamp", "shadow", "arm", "alike")
FIRST, GAPS, RESTS = 2.0, (1.0, 1.6), (2.6, 3.4)  # seconds
LONG: tuple[ActKind, ...] = (
    "turn",
    "light",
    "cloud",
    "lamp",
    "arm",
    "alike",
    "tray",
)  # twice the rest
LATER = 1.4  # seconds from a thing's rest until another like it comes
TRAY_TURN = 0.8  # seconds from one thing of a tray to the next, where they come one by one
TRAY_LARGEST = 0.55  # of the frame's height; the longer side of a thing of a tray
LONGEST_BUMP = 12.0  # pixels of a picture 640 wide


@dataclass(frozen=True)
class Act:
    """One visit of things or a hand, and what is hard about it.

    Times are in seconds: `start` from the first frame, the others from `start`. `event_at` is when
    the light changes, when the thing begins to turn, or when an arm or a second thing comes.
    """

    number: int
    kind: ActKind
    start: float
    showings: tuple[Showing, ...]
    rest_from: float
    rest_until: float
    end: float
    event_at: float
    light: float
    turn: float
    bump: tuple[float, float]
    seed: int


class ActPlan:
    """An endless row of acts, the same for the same seed.

    Args:
        seed: Chooses everything.
        items: Things of the catalogue.
        width: The frame's width in pixels.
        kinds: The kinds of acts, which repeat, each time in another order.
        foreign: Things that are in no catalogue, which repeat; always new ones where empty.
    """

    def __init__(
        self,
        seed: int,
        items: Sequence[DrawnItem],
        width: int,
        kinds: Sequence[ActKind],
        foreign: Sequence[DrawnItem],
    ) -> None:
        self._seed, self._items, self._width = seed, tuple(items), width
        self._kinds = tuple(kinds)
        self._foreign = itertools.cycle(foreign) if foreign else None
        self._acts: list[Act] = []

    def act(self, number: int) -> Act:
        """Act `number`, from 0."""
        while len(self._acts) <= number:
            self._acts.append(self._next())
        return self._acts[number]

    def at(self, seconds: float) -> Act:
        """The act that goes on at a time, or that went on last; the first one before it starts."""
        number = 0
        while self.act(number + 1).start <= seconds:
            number += 1
        return self.act(number)

    def _next(self) -> Act:
        number = len(self._acts)
        random = np.random.default_rng([self._seed, number, 23])
        cycle, place = divmod(number, len(self._kinds))
        order = np.random.default_rng([self._seed, cycle, 24]).permutation(len(self._kinds))
        kind = self._kinds[int(order[place])]
        before = self._acts[-1] if self._acts else None
        start = FIRST if before is None else before.start + before.end
        if before is not None:
            start += float(random.uniform(*GAPS))
        rest = float(random.uniform(*RESTS)) * (2 if kind in LONG else 1)
        showings = self._showings(random, kind, rest)
        first = showings[0] if showings else None
        things = [showing for showing in showings if kind != "arm" or showing.kind != "hand"]
        rest_from = max((showing.start + showing.still_from for showing in things), default=0.0)
        rest_until = first.still_until if first is not None else rest
        bump = before.bump if before is not None else (0.0, 0.0)
        if kind == "bump":
            x, y = random.uniform(-1, 1, 2) * LONGEST_BUMP * self._width / 640
            bump = (float(x), float(y))
        return Act(
            number=number,
            kind=kind,
            start=start,
            showings=showings,
            rest_from=rest_from,
            rest_until=rest_until,
            end=first.in_sight if first is not None else rest,
            event_at=showings[-1].start if len(showings) > 1 else (rest_from + rest_until) / 2,
            light=float(random.choice((0.7, 0.8, 1.2, 1.3))),
            turn=float(random.choice((-1, 1)) * random.uniform(45, 80)),
            bump=bump,
            seed=int(random.integers(2**31)),
        )

    def _showings(self, random: Generator, kind: ActKind, rest: float) -> tuple[Showing, ...]:
        if kind == "empty":
            return ()
        if kind == "two":
            swap = bool(random.random() < 0.5)
            large = self._showing(random, kind, rest, (0.26, 0.6), (0.48, 0.6))
            small = self._showing(random, kind, rest, (0.76, 0.55), (0.26, 0.38))
            if swap:
                large, small = replace(large, x=0.74), replace(small, x=0.24)
            return replace(large, in_hand=False), replace(small, in_hand=False)
        if kind == "alike":
            return self._alike(random, rest)
        if kind == "tray":
            return self._tray(random, rest)
        first = self._showing(random, kind, rest)
        if kind == "arm":
            return first, self._arm(random, first)
        if kind in ("cloud", "lamp") and random.random() < 0.5:  # the counter is empty
            return ()
        return (first,)

    def _alike(self, random: Generator, rest: float) -> tuple[Showing, ...]:
        """A thing, and one just like it that is put beside it later."""
        places = ((0.25, 0.55), (0.75, 0.55))
        left = bool(random.random() < 0.5)
        first = self._showing(random, "alike", rest, places[not left], (0.38, 0.52))
        later = first.still_from + LATER
        size = float(first.size * random.uniform(0.8, 1.2))
        return first, replace(
            self._showing(random, "alike", 0.0, places[left]),
            thing=first.thing,
            start=later,
            rest=first.still_until - later - ARRIVAL,
            size=size,
        )

    def _tray(self, random: Generator, rest: float) -> tuple[Showing, ...]:
        """Two to six things, which come together or one by one, and leave together."""
        count = int(random.integers(2, 7))
        columns = count if count < 4 else (count + 1) // 2
        rows = 1 if count < 4 else 2
        gap = TRAY_TURN if random.random() < 0.5 else 0.0
        things: list[Showing] = []
        for place, cell in enumerate(random.permutation(columns * rows)[:count]):
            row, column = divmod(int(cell), columns)
            drift_x, drift_y = random.uniform(-0.15, 0.15, 2)
            at = (float(column + 0.5 + drift_x) / columns, float(row + 0.5 + drift_y) / rows)
            fitting = min(TRAY_LARGEST, 0.9 * 4 / 3 / columns, 0.9 / rows)
            thing = self._showing(random, "tray", rest, at, (0.75 * fitting, fitting))
            thing = replace(thing, in_hand=False, start=place * gap)
            things.append(replace(thing, rest=rest + (count - 1 - place) * gap))
        return tuple(things)

    def _arm(self, random: Generator, thing: Showing) -> Showing:
        """A hand that reaches across a resting thing, or beside it, and goes away again."""
        at = (
            thing.x + float(random.uniform(-0.3, 0.3)),
            thing.y + float(random.uniform(-0.2, 0.2)),
        )
        start = (thing.still_from + thing.still_until) / 2
        rest = float(random.uniform(0.2, 1.0))
        return replace(self._showing(random, "hand", rest, at), start=start)

    def _showing(
        self,
        random: Generator,
        kind: ActKind,
        rest: float,
        at: tuple[float, float] | None = None,
        sizes: tuple[float, float] = (0.35, 0.75),
    ) -> Showing:
        thing: DrawnItem | None = self._items[int(random.integers(len(self._items)))]
        shown: Literal["item", "foreign", "hand"] = "item"
        if kind == "foreign":
            shown = "foreign"
            thing = next(self._foreign or foreign_things(int(random.integers(2**31)), 1, HELD_OUT))
        elif kind == "hand":
            shown, thing = "hand", None
        x, y = at or (float(random.uniform(0.3, 0.7)), float(random.uniform(0.42, 0.6)))
        return Showing(
            number=len(self._acts),
            kind=shown,
            thing=thing,
            start=0.0,
            rest=rest,
            gap=0.0,
            view=random_view(random),
            size=float(random.uniform(*sizes)),
            x=x,
            y=y,
            side=int(random.integers(-1, 2)),
            in_hand=bool(kind != "hand" and random.random() < 0.4),
            seed=int(random.integers(2**31)),
        )
