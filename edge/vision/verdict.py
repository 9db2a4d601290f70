"""Decide what the device says: this item, one of these, unknown, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.bundles.bundle import Match
from catalog.recognition import decision
from catalog.recognition.calibration import Calibration
from catalog.recognition.decision import Verdict

POSSIBLE = 0.01  # probability from which an item is shown beside a match
HYSTERESIS = 0.05  # probability; how much more it takes to leave a verdict than to keep it


@dataclass(frozen=True)
class Decision:
    """A verdict and the items that it names, best first (none for unknown and nothing)."""

    verdict: Verdict
    matches: tuple[Match, ...] = ()

    @property
    def subject(self) -> object:
        """What the decision is about; two decisions with equal subjects say the same."""
        if self.verdict is Verdict.MATCH:
            return self.verdict, self.matches[0].sku
        return self.verdict, frozenset(match.sku for match in self.matches[:2])


NOTHING = Decision(Verdict.NOTHING)


def decide(
    found: Sequence[Match], calibration: Calibration, current: Decision = NOTHING
) -> Decision:
    """Decide which of the items found to name.

    A match is followed by the other items that the thing may be after all.

    Args:
        found: The items found, the likeliest first.
        calibration: The catalogue's thresholds.
        current: The decision until now; it is favoured a little, so that the verdict does not
            flicker between two that are equally likely.
    """
    threshold, ratio = calibration.rejection_threshold, calibration.ambiguity_ratio
    if current.verdict is Verdict.UNKNOWN:
        threshold = min(threshold + HYSTERESIS, (1 + threshold) / 2)
    elif current.verdict in (Verdict.MATCH, Verdict.ONE_OF):
        threshold = max(threshold - HYSTERESIS, threshold / 2)
    if current.verdict is Verdict.ONE_OF:
        ratio += HYSTERESIS
    elif current.verdict is Verdict.MATCH and found and current.matches[0].sku == found[0].sku:
        ratio -= HYSTERESIS
    probabilities = [match.confidence or 0.0 for match in found]
    answer, count = decision.decide(probabilities, threshold, ratio)
    if answer is Verdict.UNKNOWN:
        return Decision(Verdict.UNKNOWN)
    if answer is Verdict.ONE_OF:
        return Decision(Verdict.ONE_OF, tuple(found[:count]))
    others = (match for match in found[1:] if (match.confidence or 0.0) >= POSSIBLE)
    return Decision(Verdict.MATCH, (found[0], *others))
