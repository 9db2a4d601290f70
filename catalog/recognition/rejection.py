"""Choose the rejection threshold: how sure an answer must be to name a thing."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, floor, log

import numpy as np

from catalog.recognition.confidence import ConfidenceModel
from catalog.recognition.decision import MOST_NAMED, REJECTION_THRESHOLD
from catalog.recognition.scored_queries import DISTRACTOR, HELD_OUT, IN_CATALOGUE, ScoredQuery

FALSE_ACCEPT_RATE = 0.01  # share of the drawn distractors that may be named
LIKELY_RATE = 5  # times as many of what catalogues are like: photos of things, held-out items
PRIOR_ITEMS = 5  # as many items the usual threshold is worth beside the catalogue's own
# What is less sure than the first is not even called probable. Above the second, own things lose
# their names as fast as foreign ones, so it is passed only where own queries show that they do not.
BOUNDS = (0.6, 0.85)
HIGHEST = 0.9  # threshold where own queries keep their names
MOST_LOST = 0.02  # share of the named own queries that may lose their names between the two
ABOVE = 1e-4  # how far above what may not be named


def rejection_threshold(
    queries: Sequence[ScoredQuery],
    model: ConfidenceModel,
    items: int,
    false_accept_rate: float,
    prior_items: float = PRIOR_ITEMS,
    bounds: tuple[float, float] = BOUNDS,
    highest: float = HIGHEST,
) -> float:
    """Return the confidence from which things are named.

    A wrong name costs so much that naming pays from `REJECTION_THRESHOLD` on the average. The
    catalogue's own held-out items say how sure the model is of things like its items that it does
    not hold. So the threshold is on the way, in log odds, from there to where as many of them are
    named as may be; the more items, the farther. It stays within bounds, and above them as far as
    nearly all own queries keep their names. In any case it is so high that no more distractors are
    named than may be.

    Args:
        queries: The catalogue's scored queries.
        model: Its model.
        items: How many items it has.
        false_accept_rate: Share of the drawn distractors that may be named; of photos of things
            and of held-out items, five times that share. Above `FALSE_ACCEPT_RATE`, things are
            named from a lower confidence, if at all another, whatever it costs.
        prior_items: As many items the usual threshold is worth.
        bounds: The least threshold that held-out items may lead to, and the highest whatever it
            costs the catalogue's own queries.
        highest: Up to where they may lead while own queries keep their names.
    """
    likely = false_accept_rate * LIKELY_RATE
    held_out = [query for query in queries if query.kind == HELD_OUT]
    limit = _limit(held_out, model, min(likely, FALSE_ACCEPT_RATE * LIKELY_RATE))
    usual = REJECTION_THRESHOLD
    if limit is not None:
        own = items / (items + prior_items)
        odds = own * _log_odds(limit) + (1 - own) * _log_odds(REJECTION_THRESHOLD)
        wanted = 1 / (1 + exp(-odds))
        usual = min(max(wanted, bounds[0]), bounds[1])
        if wanted > usual:
            usual = _raised(usual, min(wanted, highest), queries, model)
    if false_accept_rate > FALSE_ACCEPT_RATE:
        usual = min(usual, _limit(held_out, model, likely) or 0.0)
    thresholds = [usual]
    distractors = [query for query in queries if query.kind == DISTRACTOR]
    for group in {query.group for query in distractors}:
        rate = likely if group else false_accept_rate
        shown = [query for query in distractors if query.group == group]
        limit = _limit(shown, model, rate) or 0.0
        may_be_own = group and false_accept_rate >= FALSE_ACCEPT_RATE
        thresholds.append(min(limit, bounds[1]) if may_be_own else limit)
    return round(min(max(thresholds), 1.0), 4)


def _raised(
    threshold: float, wanted: float, queries: Sequence[ScoredQuery], model: ConfidenceModel
) -> float:
    """Return how far a threshold may rise towards a wanted one; own queries keep their names."""
    own = [query for query in queries if query.kind == IN_CATALOGUE]
    named = sorted(value for value in _confidences(own, model) if value >= threshold)
    if not named:
        return threshold
    lost = named[int(MOST_LOST * len(named))]
    return min(wanted, floor(lost / ABOVE) * ABOVE)  # never above it by rounding


def _confidences(queries: Sequence[ScoredQuery], model: ConfidenceModel) -> list[float]:
    """Return how sure it is of each query that it shows one of the items that may be named."""
    return [
        float(np.sort(model.confidences(query.features))[::-1][:MOST_NAMED].sum())
        for query in queries
    ]


def _limit(queries: Sequence[ScoredQuery], model: ConfidenceModel, rate: float) -> float | None:
    """Return the lowest threshold at which at most this share is named; None without queries."""
    if not queries:
        return None
    confidences = _confidences(queries, model)
    accepted = min(int(rate * len(confidences)), len(confidences) - 1)
    return sorted(confidences, reverse=True)[accepted] + ABOVE


def _log_odds(chance: float) -> float:
    bounded = min(max(chance, ABOVE), 1 - ABOVE)
    return log(bounded / (1 - bounded))
