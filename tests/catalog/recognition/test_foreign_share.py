"""Confidence at another share of foreign things, and the share as it is learned from looks."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.evaluation.metrics import calibration_error
from catalog.recognition import foreign_share
from catalog.recognition.foreign_share import (
    LEAST_SHARE,
    MOST_RATIO,
    MOST_SHARE,
    Numbers,
    at_foreign_share,
    estimate,
    evidence,
)

NONE = np.zeros(0)


def looks(
    share: float, number: int, seed: int, apart: float = 2.5
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Exact log-likelihood ratios of looks, and whether each was at an own thing.

    `apart` is how far the evidence of own and of foreign things lies apart, in its spread.
    """
    random = np.random.default_rng(seed)
    own = random.random(number) >= share
    middle = np.where(own, apart**2 / 2, -(apart**2) / 2)
    return middle + apart * random.standard_normal(number), own


def at(ratios: Numbers, share: float) -> Numbers:
    return np.asarray(1 / (1 + share / (1 - share) * np.exp(-ratios)))


def test_the_example_is_true() -> None:
    failed, tried = doctest.testmod(foreign_share, extraglobs={"np": np})
    assert (failed, tried) == (0, 1)


def test_the_odds_change_by_bayes_and_the_items_keep_their_order() -> None:
    there = at_foreign_share(np.array([0.5, 0.3, 0.01]), 0.5, 0.05)
    assert there.sum() / (1 - there.sum()) == pytest.approx(0.81 / 0.19 * 19)
    assert there / there.sum() == pytest.approx(np.array([0.5, 0.3, 0.01]) / 0.81)
    assert at_foreign_share(there, 0.05, 0.5) == pytest.approx([0.5, 0.3, 0.01])


@pytest.mark.parametrize("confidences", [[], [0.0], [1.0]])
def test_nothing_and_certainty_stay_what_they_are(confidences: list[float]) -> None:
    assert at_foreign_share(np.array(confidences), 0.5, 0.1).tolist() == confidences


def test_evidence_does_not_depend_on_the_share() -> None:
    confidences = np.array([0.4, 0.2, 0.1])
    said = []
    for share in (0.05, 0.5, 0.9):
        there = at_foreign_share(confidences, 0.5, share)
        said.append(evidence(float(there.sum()), float(there[0]), share))
    assert [one.ratio for one in said] == pytest.approx([np.log(0.7 / 0.3)] * 3)
    assert [one.others for one in said] == pytest.approx([3 / 7] * 3)
    assert said[0].ratio_of_others == pytest.approx(np.log(0.3 / 0.3))
    assert evidence(1.0, 1.0, 0.2).ratio == MOST_RATIO
    assert evidence(1.0, 1.0, 0.2).ratio_of_others < 0


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_estimate_comes_near_and_the_calibration_error_falls(share: float) -> None:
    before, after, estimates = [], [], []
    for seed in range(20):
        seen, _ = looks(share, 600, seed)
        estimates.append(estimate(seen, np.ones(600), 0, 0, setting=0.2))
        new, own = looks(share, 2000, 1000 + seed)
        before.append(calibration_error(at(new, 0.2), own))
        after.append(calibration_error(at(new, estimates[-1]), own))
    assert np.mean(estimates) == pytest.approx(share, abs=0.05)
    assert max(abs(found - share) for found in estimates) < 0.12
    if share != 0.2:
        assert np.mean(after) < 0.6 * np.mean(before)
    else:  # nothing was to be learned, and little is lost
        assert np.mean(after) < np.mean(before) + 0.005


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_looks_of_which_staff_said_what_they_were_help(share: float) -> None:
    unjudged, judged = [], []
    for seed in range(20):
        seen, own = looks(share, 300, seed, apart=1.0)
        unjudged.append(estimate(seen, np.ones(300), 0, 0, setting=0.2))
        known = float(own[:150].sum())
        judged.append(estimate(seen[150:], np.ones(150), known, 150 - known, setting=0.2))
    off = [np.abs(np.array(found) - share).mean() for found in (unjudged, judged)]
    assert off[1] < 0.8 * off[0]


def test_few_looks_change_little_and_the_estimate_has_bounds() -> None:
    assert estimate(NONE, NONE, 0, 0, setting=0.2) == pytest.approx(0.2)
    assert estimate(np.array([-5.0]), np.array([5.0]), 0, 0, 0.2) < 0.3
    assert estimate(np.array([-9.0]), np.array([1e4]), 0, 0, 0.2) == MOST_SHARE
    assert estimate(np.array([9.0]), np.array([1e4]), 0, 0, 0.2) == LEAST_SHARE
    assert estimate(np.array([-9.0]), np.array([1e4]), 0, 0, 0.9) == 0.9
    assert estimate(np.array([9.0]), np.array([1e4]), 0, 0, 0.01) == 0.01
