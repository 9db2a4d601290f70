"""Decide what the device says: this item, (perhaps) one of these, unknown, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.bundles.match import Match
from catalog.recognition import decision
from catalog.recognition.calibration import Calibration
from catalog.recognition.decision import GUESS_THRESHOLD, LEAST_GUESS, Verdict

HYSTERESIS = 0.05  # probability; how much more it takes to leave a verdict than to keep it


@dataclass(frozen=True)
class Decision:
    """A verdict and its items, best first.

    Attributes:
        verdict: The verdict.
        matches: The items that it names; none where nothing is claimed.
        guesses: The items that it perhaps is; only where the verdict is PERHAPS.
    """

    verdict: Verdict
    matches: tuple[Match, ...] = ()
    guesses: tuple[Match, ...] = ()

    @property
    def subject(self) -> object:
        """What the decision is about; two decisions with equal subjects say the same."""
        if self.verdict is Verdict.MATCH:
            return self.verdict, self.matches[0].sku
        likeliest = (self.matches or self.guesses)[:2]
        return self.verdict, frozenset(match.sku for match in likeliest)

    @property
    def answer(self) -> frozenset[str]:
        """The skus of the items that the thing is said to be, or guessed to be."""
        items = self.matches[:1] if self.verdict is Verdict.MATCH else self.matches or self.guesses
        return frozenset(match.sku for match in items)

    @property
    def strength(self) -> tuple[bool, float]:
        """How much it says: whether it names an item, then the probability of its first item."""
        items = self.matches or self.guesses
        return bool(self.matches), (items[0].confidence or 0.0) if items else 0.0


NOTHING = Decision(Verdict.NOTHING)


def decide(
    found: Sequence[Match], calibration: Calibration, current: Decision = NOTHING
) -> Decision:
    """Decide which of the items found to name, or to guess.

    A match is followed by the other items that the thing may be after all.

    Args:
        found: The items found, the likeliest first.
        calibration: The catalogue's thresholds.
        current: The decision until now; it is favoured a little, so that the verdict does not
            flicker between two that are equally likely.
    """
    threshold, ratio = calibration.rejection_threshold, calibration.ambiguity_ratio
    guess = GUESS_THRESHOLD
    if current.verdict in (Verdict.UNKNOWN, Verdict.PERHAPS):
        threshold = min(threshold + HYSTERESIS, (1 + threshold) / 2)
    elif current.verdict in (Verdict.MATCH, Verdict.ONE_OF):
        threshold -= HYSTERESIS
    if current.verdict is Verdict.UNKNOWN:
        guess += HYSTERESIS
    elif current.verdict is not Verdict.NOTHING:
        guess -= HYSTERESIS
    if current.verdict is Verdict.ONE_OF:
        ratio += HYSTERESIS
    elif current.verdict is Verdict.MATCH and found and current.matches[0].sku == found[0].sku:
        ratio -= HYSTERESIS
    probabilities = [match.confidence or 0.0 for match in found]
    answer, count = decision.decide(probabilities, threshold, ratio, guess)
    if answer is Verdict.UNKNOWN:
        return Decision(Verdict.UNKNOWN)
    if answer is Verdict.PERHAPS:
        return Decision(Verdict.PERHAPS, guesses=tuple(found[:count]))
    if answer is Verdict.ONE_OF:
        return Decision(Verdict.ONE_OF, tuple(found[:count]))
    others = (match for match in found[1:] if (match.confidence or 0.0) >= LEAST_GUESS)
    return Decision(Verdict.MATCH, (found[0], *others))
