"""Correct confidence to the share of foreign things, and estimate that share from answers.

A calibration holds for one share of foreign queries. Where another share comes, the odds change by
Bayes, and the share itself can be estimated from answers without labels: M. Saerens, P. Latinne,
C. Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

MOST_RATIO = 12.0  # nats; more certain evidence counts as this
LEAST_SHARE, MOST_SHARE = 0.02, 0.6  # bounds of the estimate, where the setting is within
SETTING_LOOKS = 50.0  # as many looks the setting is worth beside those that were seen
STEPS, CONVERGED = 500, 1e-6

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What one look says about a thing being in the catalogue, for any share of foreign ones.

    Attributes:
        ratio: The log-likelihood ratio, in the catalogue against foreign, in nats.
        others: The share of the in-catalogue probability that is on items that were not shown.
    """

    ratio: float
    others: float

    @property
    def ratio_of_others(self) -> float:
        """The log-likelihood ratio once it is known that no item that was shown is right."""
        return max(-MOST_RATIO, self.ratio + log(max(self.others, 1e-9)))


def at_foreign_share(confidences: Numbers, stated: float, share: float) -> Numbers:
    """Correct the confidences of all candidates of a query to another share of foreign things.

    Args:
        confidences: The probability of each candidate, float64 (c,); they add up to at most 1.
        stated: The share of foreign queries that they hold for, above 0 and below 1.
        share: The share of foreign queries to correct them to, above 0 and below 1.

    Example:
        >>> at_foreign_share(np.array([0.4, 0.1]), stated=0.5, share=0.2)
        array([0.64, 0.16])
    """
    own = confidences * (1 - share) / (1 - stated)
    foreign = (1 - float(confidences.sum())) * share / stated
    return np.asarray(own / (float(own.sum()) + foreign))


def evidence(together: float, shown: float, share: float) -> Evidence:
    """Return what an answer says, without the share of foreign things that it was made for.

    Args:
        together: The probability that the thing is in the catalogue.
        shown: The probability that it is one of the items that were named or guessed.
        share: The share of foreign things that both hold for.
    """
    together = min(max(together, 1e-9), 1 - 1e-9)
    ratio = log(together / (1 - together)) - log((1 - share) / share)
    others = max(0.0, 1 - shown / together)
    return Evidence(min(max(ratio, -MOST_RATIO), MOST_RATIO), others)


def estimate(ratios: Numbers, looks: Numbers, own: float, foreign: float, setting: float) -> float:
    """Estimate the share of foreign things, by expectation and maximization.

    Args:
        ratios: Log-likelihood ratios, in the catalogue against foreign, float64 (n,).
        looks: How many looks had each, float64 (n,).
        own: How many further looks are known to have been at things of the catalogue.
        foreign: How many further looks are known to have been at foreign things.
        setting: The share to begin with; it counts as `SETTING_LOOKS` looks.

    Returns:
        The share, from `LEAST_SHARE` or the setting to `MOST_SHARE` or the setting.
    """
    likelihoods = np.exp(np.asarray(ratios, float))
    known = foreign + SETTING_LOOKS * setting
    total = float(looks.sum()) + own + foreign + SETTING_LOOKS
    share = setting
    for _ in range(STEPS):
        foreign_looks = float(looks @ (share / ((1 - share) * likelihoods + share)))
        before, share = share, (known + foreign_looks) / total
        if abs(share - before) < CONVERGED:
            break
    return float(min(max(share, min(LEAST_SHARE, setting)), max(MOST_SHARE, setting)))
