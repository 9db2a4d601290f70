"""Count looks by their evidence, for each catalogue, and count them anew when more is known.

A look begins in the bin of its evidence. What staff say of its sighting moves it to the looks that
are known as own or as foreign; what a visitor chooses moves half of it, until staff say something.
Whenever a catalogue has many looks, all of them count half, so that the newest weigh most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from catalog.recognition.foreign_share import MOST_RATIO, Evidence, Numbers

STEP = 0.5  # nats of one bin of evidence
RATIOS = np.arange(-MOST_RATIO, MOST_RATIO + STEP / 2, STEP)
OWN, FOREIGN = len(RATIOS), len(RATIOS) + 1  # the places of looks that are known
CHOICE = 0.5  # of a look is known as own where a visitor, who enters no PIN, chose an item
MOST_LOOKS = 1000.0  # then all count half
MOST_CATALOGUES = 8
MOST_REMEMBERED = 200  # sightings of which staff may still say what they were


@dataclass(frozen=True)
class _Look:
    """Where the look of a sighting was counted.

    Attributes:
        catalogue: Under which catalogue.
        place: At which place.
        others: The place where it counts if the items that were shown are ruled out.
        halvings: How often the catalogue's looks counted half before it came.
        chosen: How much of it a visitor's choice moved to `OWN`.
        judged: Whether staff said what it was.
    """

    catalogue: str
    place: int
    others: int
    halvings: int
    chosen: float = 0.0
    judged: bool = False


class CountedLooks:
    """The looks of the newest `MOST_CATALOGUES` catalogues. For one thread at a time.

    Args:
        counts: For each catalogue how many looks have each of `RATIOS`, then how many are known as
            own and as foreign.

    Attributes:
        catalogues: The same, as of now.
    """

    def __init__(self, counts: Mapping[str, Numbers]) -> None:
        self.catalogues = OrderedDict(counts)
        self._halvings: dict[str, int] = {}
        self._looks: OrderedDict[str, _Look] = OrderedDict()  # by the sighting's id

    def use(self, catalogue: str) -> None:
        """Let a catalogue be the newest, if it has looks."""
        if catalogue in self.catalogues:
            self.catalogues.move_to_end(catalogue)

    def count(self, sighting: str, catalogue: str, evidence: Evidence) -> None:
        """Count the look of a new sighting."""
        place, others = _place(evidence.ratio), _place(evidence.ratio_of_others)
        self._counts(catalogue)
        look = _Look(catalogue, place, others, self._halvings.get(catalogue, 0))
        self._put(sighting, look)

    def judge(self, sighting: str, *, in_catalogue: bool | None) -> bool:
        """Count a look as what staff say it was; whether it is remembered.

        Args:
            sighting: The sighting's id.
            in_catalogue: What they say; None where only the items shown are ruled out.
        """
        look = self._looks.get(sighting)
        if look is None:
            return False
        self._add(look.catalogue, look.place, -self._weight(look) * (1 - look.chosen))
        self._add(look.catalogue, OWN, -self._weight(look) * look.chosen)
        place = look.others if in_catalogue is None else OWN if in_catalogue else FOREIGN
        self._put(sighting, replace(look, place=place, chosen=0.0, judged=True))
        return True

    def choose(self, sighting: str) -> bool:
        """Count a part of a look as own, because a visitor chose an item; whether that is new."""
        look = self._looks.get(sighting)
        if look is None or look.judged or look.chosen:
            return False
        self._add(look.catalogue, look.place, -self._weight(look) * CHOICE)
        self._add(look.catalogue, OWN, self._weight(look) * CHOICE)
        self._looks[sighting] = replace(look, chosen=CHOICE)
        return True

    def clear(self) -> None:
        """Forget all."""
        self.catalogues.clear()
        self._looks.clear()

    def _weight(self, look: _Look) -> float:
        return float(0.5 ** (self._halvings.get(look.catalogue, 0) - look.halvings))

    def _put(self, sighting: str, look: _Look) -> None:
        self._add(look.catalogue, look.place, self._weight(look))
        counts = self.catalogues[look.catalogue]
        if counts.sum() > MOST_LOOKS:
            counts /= 2
            self._halvings[look.catalogue] = self._halvings.get(look.catalogue, 0) + 1
        self._looks[sighting] = look
        while len(self._looks) > MOST_REMEMBERED:
            self._looks.popitem(last=False)

    def _add(self, catalogue: str, place: int, number: float) -> None:
        counts = self._counts(catalogue)
        counts[place] = max(0.0, counts[place] + number)

    def _counts(self, catalogue: str) -> Numbers:
        if catalogue not in self.catalogues:
            self.catalogues[catalogue] = np.zeros(FOREIGN + 1)
            while len(self.catalogues) > MOST_CATALOGUES:
                gone = self.catalogues.popitem(last=False)[0]
                left = (item for item in self._looks.items() if item[1].catalogue != gone)
                self._looks = OrderedDict(left)
        return self.catalogues[catalogue]


def _place(ratio: float) -> int:
    """The number of the bin of a log-likelihood ratio."""
    return round((min(max(ratio, -MOST_RATIO), MOST_RATIO) + MOST_RATIO) / STEP)
