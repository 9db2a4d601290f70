"""From similar items to what is said: this one, one of these, unknown, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.bundle import Calibration, Match
from edge.sighting import Verdict

MOST_CARDS = 3
STICKY = 0.015  # cosine; how much more it takes to leave a verdict than to keep it


@dataclass(frozen=True)
class Opinion:
    """A verdict with the items it names, best first (none for unknown and nothing)."""

    verdict: Verdict
    matches: tuple[Match, ...] = ()

    @property
    def subject(self) -> object:
        """What it is about: two opinions with one subject say the same."""
        if self.verdict is Verdict.MATCH:
            return self.verdict, self.matches[0].sku
        return self.verdict, frozenset(match.sku for match in self.matches[:2])


NOTHING = Opinion(Verdict.NOTHING)


def judge(found: Sequence[Match], calibration: Calibration, current: Opinion = NOTHING) -> Opinion:
    """Judge items found, best first; `current` is what is said now and is a little favoured."""
    if not found:
        return Opinion(Verdict.UNKNOWN)
    threshold, margin = calibration.unknown_below, calibration.one_of_margin
    if current.verdict is Verdict.UNKNOWN:
        threshold += STICKY
    elif current.verdict in (Verdict.MATCH, Verdict.ONE_OF):
        threshold -= STICKY
    if current.verdict is Verdict.ONE_OF:
        margin += STICKY
    elif current.verdict is Verdict.MATCH and current.matches[0].sku == found[0].sku:
        margin -= STICKY
    if found[0].similarity < threshold:
        return Opinion(Verdict.UNKNOWN)
    near = [one for one in found if found[0].similarity - one.similarity < margin]
    if len(near) > 1:
        return Opinion(Verdict.ONE_OF, tuple(near[:MOST_CARDS]))
    similar = (one for one in found[1:] if one.similarity >= calibration.unknown_below)
    return Opinion(Verdict.MATCH, (found[0], *similar))
