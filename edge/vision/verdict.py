"""From how sure each item is to what is said: this one, one of these, unknown, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.bundles.bundle import Match
from catalog.recognition.calibration import Calibration
from catalog.recognition.decision import Verdict, decide

POSSIBLE = 0.01  # probability from which an item is shown beside a match
STICKY = 0.05  # probability; how much more it takes to leave a verdict than to keep it


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
    """Judge items found, the likeliest first; `current` is said now and is a little favoured.

    After the item of a match come the others that it might be after all.
    """
    threshold, alone = calibration.unknown_below, calibration.alone_from
    if current.verdict is Verdict.UNKNOWN:
        threshold = min(threshold + STICKY, (1 + threshold) / 2)
    elif current.verdict in (Verdict.MATCH, Verdict.ONE_OF):
        threshold = max(threshold - STICKY, threshold / 2)
    if current.verdict is Verdict.ONE_OF:
        alone += STICKY
    elif current.verdict is Verdict.MATCH and found and current.matches[0].sku == found[0].sku:
        alone -= STICKY
    answer, named = decide([one.confidence or 0.0 for one in found], threshold, alone)
    if answer is Verdict.UNKNOWN:
        return Opinion(Verdict.UNKNOWN)
    if answer is Verdict.ONE_OF:
        return Opinion(Verdict.ONE_OF, tuple(found[:named]))
    others = (one for one in found[1:] if (one.confidence or 0.0) >= POSSIBLE)
    return Opinion(Verdict.MATCH, (found[0], *others))
