"""Show what the constants that people chose do, for catalogues whose source did not teach.

    python -m training.confidence.choices [--networks LIST] [--materials FOLDER] [--cache FOLDER]

Prints what comes of the looks for several loyalties to the prior
(`catalog.recognition.calibrate.LOYALTY`), and for several ways from the usual rejection threshold
to that of the catalogue's held-out items (`catalog.recognition.rejection`). First come the limits:
what share of the looks that are right first could be named if 5 % of the foreign looks may be, by a
threshold chosen on these very looks, and by a model that was fitted to these very looks as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from catalog.core.errors import ContentError
from catalog.evaluation.metrics import calibration_error
from catalog.recognition.calibrate import LOYALTY, answers, moved
from catalog.recognition.confidence import fit_logistic, ramps
from catalog.recognition.decision import MOST_NAMED, WRONG_NAME_COST
from catalog.recognition.prior import FOREIGN_SHARE
from catalog.recognition.rejection import (
    BOUNDS,
    FALSE_ACCEPT_RATE,
    HIGHEST,
    PRIOR_ITEMS,
    rejection_threshold,
)
from training.confidence.__main__ import CACHE, NETWORKS, catalogues
from training.confidence.elsewhere import Built, built
from training.confidence.looks import NEAR, OWN
from training.errors import plain_errors
from training.photos import chosen_materials

LOYALTIES = ((1e9, 1e9), (10.0, 1e9), (1.0, 1e9), LOYALTY, (1.0, 40.0), (0.1, 400.0))
WAYS = (
    (1e9, BOUNDS, HIGHEST),  # the usual threshold for all
    (PRIOR_ITEMS, BOUNDS, BOUNDS[1]),
    (PRIOR_ITEMS, BOUNDS, HIGHEST),
    (PRIOR_ITEMS, BOUNDS, 0.95),
    (PRIOR_ITEMS, (0.6, 0.9), 0.9),
    (PRIOR_ITEMS, (0.6, 0.95), 0.95),
    (PRIOR_ITEMS, (0.6, 0.99), 0.99),
)
FOREIGN = 0.05  # share of foreign looks that may be named
LIMIT_PRECISION = 1e-3  # so little that the model follows the looks
COLUMNS = (
    "right first",
    "named rightly",
    "wrongly named",
    "foreign named",
    "calibration error",
    "what a look brings",
)


def outcome(one: Built) -> list[float]:
    """Return what comes of the looks at a catalogue, as `COLUMNS` says."""
    own, near = (answers(one.looks, kind, one.model) for kind in (OWN, NEAR))
    together = {
        kind: np.array([sum(answer.confidences[:MOST_NAMED]) for answer in found])
        for kind, found in ((OWN, own), (NEAR, near))
    }
    right = np.array([answer.candidates[0] == answer.right for answer in own])
    named = {kind: sums >= one.threshold for kind, sums in together.items()}
    first = np.array([answer.confidences[0] for answer in (*own, *near)])
    truth = np.concatenate([right, np.zeros(len(near), bool)])
    weights = np.concatenate(
        [
            np.full(len(found), share / max(len(found), 1))
            for found, share in ((own, 1 - FOREIGN_SHARE), (near, FOREIGN_SHARE))
        ]
    )
    return [
        float(right.mean()),
        float(named[OWN][right].mean()) if right.any() else 0.0,
        float((named[OWN] & ~right).mean()),
        float(named[NEAR].mean()) if near else 0.0,
        calibration_error(first, truth, weights),
        (1 - FOREIGN_SHARE) * float((named[OWN] * np.where(right, 1, -WRONG_NAME_COST)).mean())
        - FOREIGN_SHARE * WRONG_NAME_COST * (float(named[NEAR].mean()) if near else 0.0),
    ]


def limits(one: Built) -> tuple[float, float]:
    """Return what share of the looks that are right first could be named: see above.

    Raises:
        ContentError: The catalogue has no foreign looks that are alike.
    """
    looks = [look for kind in (OWN, NEAR) for look in one.looks if look.kind == kind]
    own = np.array([look.kind == OWN for look in looks])
    if own.all():
        raise ContentError(f"{one.catalogue.name}: no foreign looks")
    found = [*answers(looks, OWN, one.model), *answers(looks, NEAR, one.model)]
    right = np.array([answer.candidates[0] == answer.right for answer in found])
    together = np.array([sum(answer.confidences[:MOST_NAMED]) for answer in found])
    evidence = np.array([one.model.evidence(look.features)[1] for look in looks])
    table = ramps(evidence, one.model.knots).reshape(len(looks), -1)
    weight = np.where(own, 1 / own.sum(), 1 / (~own).sum()) / 2
    width = table.shape[1]
    precision = np.append(np.full(width, LIMIT_PRECISION), 0.0)
    weights = fit_logistic(table, own.astype(float), weight, np.zeros(width + 1), precision)
    fitted = table @ weights[:-1]
    by_threshold, by_fit = (
        float((score[own & right] > np.quantile(score[~own], 1 - FOREIGN)).mean())
        for score in (together, fitted)
    )
    return by_threshold, by_fit


def with_loyalty(one: Built, loyalty: tuple[float, float]) -> Built:
    """Return a catalogue whose photos moved its model so far."""
    return replace(one, model=moved(one.start, one.queries, loyalty))


def with_threshold(
    one: Built, prior_items: float, bounds: tuple[float, float], highest: float
) -> Built:
    """Return a catalogue with another rejection threshold."""
    items = one.catalogue.items
    threshold = rejection_threshold(
        one.queries, one.model, items, FALSE_ACCEPT_RATE, prior_items, bounds, highest
    )
    return replace(one, threshold=threshold)


def line(label: str, catalogues: Sequence[Built]) -> str:
    """Return the means of `COLUMNS`, by whether items have one photo."""
    cells = []
    for kind, single in (("one photo", True), ("several", False)):
        rows = [outcome(one) for one in catalogues if one.single == single]
        cells.append(f"{kind}: " + " ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    return f"{label:52}{'   '.join(cells)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"default: {CACHE}")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="default: %(default)s")
    options = parser.parse_args(arguments)
    networks = options.networks.split(",")
    if unknown := set(networks) - set(NETWORKS):
        parser.error(f"--networks: no network {min(unknown)}; known are {', '.join(NETWORKS)}")
    materials = chosen_materials(options.materials)
    found = built(catalogues(materials, options.cache, networks))
    alike = [one for one in found if any(look.kind == NEAR for look in one.looks)]
    for source in sorted({one.catalogue.source for one in alike}):
        best = np.mean([limits(one) for one in alike if one.catalogue.source == source], axis=0)
        print(f"limits of {source}: {best[0]:.3f} by the threshold, {best[1]:.3f} by the model")
    best = np.mean([limits(one) for one in alike], axis=0)
    print(f"limits of all: {best[0]:.3f} by the threshold, {best[1]:.3f} by the model")
    print(f"{', '.join(COLUMNS)}; of thresholds, where some looks are alike")
    for loyalty in LOYALTIES:
        moved_so = [with_loyalty(one, loyalty) for one in found]
        print(line(f"loyalty {loyalty[0]:g}, {loyalty[1]:g}", moved_so), flush=True)
    for items, bounds, highest in WAYS:
        others = [with_threshold(one, items, bounds, highest) for one in alike]
        label = f"prior items {items:g}, bounds {bounds}, at most {highest}"
        print(line(label, others), flush=True)


if __name__ == "__main__":
    with plain_errors():
        main()
