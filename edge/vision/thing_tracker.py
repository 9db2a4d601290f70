"""Follow the things on a counter from frame to frame: they come, come to rest, and go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from catalog.core.box import Box, overlap
from edge.vision.arriving import COVER_S, Arrival, is_beside, is_same_look
from edge.vision.background import Comparison
from edge.vision.foreground import Thing, is_at_border
from edge.vision.illumination import WorkingImage
from edge.vision.resting import Presence, RestingThing, is_covered, presence, without_things
from edge.vision.scene import MotionImage, Numbers
from edge.vision.separation import completed, grouped, separated, united

SAME_BOX = 0.8  # least overlap of a resting thing's boxes
SAME_PLACE = 0.5  # the same, for a thing that is turned in its place
MOST_THINGS = 8  # that are answered
MOST_REMEMBERED = 30  # more than fit on a counter, so that none is found anew all the time


class ThingTracker:
    """Knows the things that come and those that rest.

    Attributes:
        resting: The things at rest.
        arrivals: The things that have not been at rest for long enough.

    Args:
        numbers: Where the numbers of looks and visits are counted.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.resting: list[RestingThing] = []
        self.arrivals: list[Arrival] = []

    def due(self, time: float) -> list[Arrival]:
        """The arrivals that have not moved for long enough."""
        return [arrival for arrival in self.arrivals if arrival.due <= time]

    def next_due(self) -> list[float]:
        """When something will have been at rest, or hidden, for long enough."""
        hidden = (known.hidden_since for known in self.resting)
        return [
            *(arrival.due for arrival in self.arrivals),
            *(since + COVER_S for since in hidden if since is not None),
        ]

    def look_for_resting(
        self, compared: Comparison, time: float, *, steady: bool
    ) -> list[RestingThing]:
        """Forget the resting things that are gone.

        Returns:
            Those that are seen as before. One that looks otherwise although nothing reaches in
            was turned, or is in focus only now: it is analysed like a thing that comes.
        """
        seen: list[RestingThing] = []
        changed: list[RestingThing] = []
        hidden: list[RestingThing] = []
        for resting in self.resting:
            how = presence(resting, compared.now, compared.background, compared.mask)
            if how is Presence.HIDDEN:
                still = steady and resting.hidden_since is not None
                since = resting.hidden_since if still and resting.hidden_since else time
                if time - since < COVER_S:
                    hidden.append(replace(resting, hidden_since=since))
            elif how is not Presence.GONE:
                same = seen if how is Presence.SEEN else changed
                same.append(replace(resting, hidden_since=None))
        if changed and is_at_border(without_things(compared.mask, seen + changed)):
            seen, changed = seen + changed, []
        self.resting = seen + changed + hidden
        return seen

    def note_touches(self, patches: Iterable[Thing]) -> None:
        """Remember which resting things may be touched by what reaches in from the border."""
        reaching = [patch for patch in patches if is_at_border(patch.mask)]
        self.resting = [
            replace(resting, touched=True)
            if any(is_beside(patch, resting.thing) for patch in reaching)
            else resting
            for resting in self.resting
        ]

    def come(
        self, found: Iterable[Thing], motion: MotionImage, time: float, *, reaches_in: bool
    ) -> None:
        """Take in the things of a frame that do not rest.

        Args:
            found: The things.
            motion: The frame at the motion scale.
            time: The scene's clock.
            reaches_in: Whether something reaches in from the frame's border.
        """
        self.arrivals = [
            self._arrival(thing, motion, time, reaches_in=reaches_in) for thing in found
        ]

    def settle(self, now: WorkingImage, boxes: list[Box], time: float) -> None:
        """Count arrivals that have not moved for long enough as at rest.

        Args:
            now: The frame, at the working scale.
            boxes: Of the things that were found in it by a network, at the working scale.
            time: The scene's clock.
        """
        due = self.due(time)
        for group in grouped([arrival.thing for arrival in due], boxes):
            largest = max(group, key=lambda patch: patch.area)
            arrival = next(arrival for arrival in due if arrival.thing is largest)
            parts = separated(united(group), boxes)
            arrivals = [replace(arrival, thing=part) for part in parts]
            if len(parts) > 1:
                arrivals = [self._numbered(part) for part in arrivals]
            for part in arrivals:
                # While a hand is there, a box may be about the thing together with the hand.
                whole = part.thing if part.held else completed(part.thing, boxes)
                self._rest(part, whole, now)
        self.arrivals = [arrival for arrival in self.arrivals if arrival not in due]

    def _arrival(
        self, thing: Thing, motion: MotionImage, time: float, *, reaches_in: bool
    ) -> Arrival:
        """The thing as an arrival; the one of the frame before where it has not moved."""
        at_border = is_at_border(thing.mask)
        covers = any(is_covered(resting, thing) for resting in self.resting)
        for before in self.arrivals:
            if overlap(thing.box, before.thing.box) >= SAME_BOX and is_same_look(
                thing, motion, before
            ):
                return replace(
                    before, thing=thing, at_border=at_border, covers=covers, held=reaches_in
                )
        self._numbers.change += 1
        visit = None if reaches_in else self._visit_at(thing.box)
        if visit is None:
            self._numbers.visit += 1
            visit = self._numbers.visit
        change = self._numbers.change
        return Arrival(thing, motion, time, change, visit, at_border, covers, held=reaches_in)

    def _visit_at(self, box: Box) -> int | None:
        """The visit of the thing that was in a place; None where none was, or it was touched."""
        there = [(known.thing.box, known.visit) for known in self.arrivals]
        there += [(known.thing.box, known.visit) for known in self.resting if not known.touched]
        return next((visit for other, visit in there if overlap(box, other) >= SAME_PLACE), None)

    def _numbered(self, arrival: Arrival) -> Arrival:
        """The arrival with numbers of its own."""
        self._numbers.change += 1
        self._numbers.visit += 1
        return replace(arrival, change=self._numbers.change, visit=self._numbers.visit)

    def _rest(self, arrival: Arrival, whole: Thing, now: WorkingImage) -> None:
        """Remember a thing that has come to rest, in the place of those that it covers."""
        before = [known for known in self.resting if is_covered(known, arrival.thing)]
        same = [known.since for known in before if known.visit == arrival.visit]
        since = min(same, default=arrival.since)
        settled = RestingThing(arrival.thing, whole, now, since, arrival.change, arrival.visit)
        self.resting = [known for known in self.resting if known not in before]
        self.resting = [*self.resting, settled][-MOST_REMEMBERED:]
