"""Bursts, cross-fitting, and whether the predicted outcomes are measured."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.core.vectors import Vectors, normalised
from catalog.networks.projection import fit as fit_projection
from catalog.recognition.bursts import assign_folds, burst_masks, burst_similarity
from catalog.recognition.calibrate import calibrate
from catalog.recognition.calibration import OutcomeShares, outcome
from catalog.recognition.candidates import QueryDescriptors
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.descriptors import extract_descriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.prior import usual
from catalog.recognition.scored_queries import CalibrationQuery

GREY = extract_descriptors(
    np.full((32, 32, 3), 128, np.uint8), PER_QUERY
)  # nothing is printed on it


def test_unlike_pictures_tell_the_similarity_of_a_burst() -> None:
    apart = np.eye(8, dtype=np.float32)
    assert burst_similarity(apart) == pytest.approx(0.6)
    half = normalised(apart + np.float32(0.5))
    between = float(half[0] @ half[1])
    assert burst_similarity(half) == pytest.approx(between + 0.6 * (1 - between), abs=1e-3)
    assert burst_similarity(half[:1]) == pytest.approx(0.6)


def burst_vectors(bursts: int, photos: int, within: float, seed: int = 11) -> Vectors:
    """Return vectors of an item's photos, so many in each burst; each burst has its own place."""
    random = np.random.default_rng(seed)
    thing = random.normal(0, 1, 64)
    places = thing + random.normal(0, 1, (bursts, 64))
    rows = np.repeat(places, photos, 0) + random.normal(0, within, (bursts * photos, 64))
    return normalised(rows.astype(np.float32))


def test_photos_of_a_burst_are_excluded_together() -> None:
    stored = burst_vectors(4, 4, 0.2)
    for photo in (0, 5, 15):
        excluded, unread = burst_masks(stored, np.arange(16), photo, 0.8)
        assert np.flatnonzero(excluded).tolist() == list(range(photo // 4 * 4, photo // 4 * 4 + 4))
        assert (unread >= excluded).all()


def test_photos_that_all_differ_are_not_excluded() -> None:
    excluded, unread = burst_masks(burst_vectors(16, 1, 0.0), np.arange(16), 3, 0.8)
    assert np.flatnonzero(excluded).tolist() == [3]
    assert 1 < unread.sum() < 16


@pytest.mark.parametrize(("photos", "left"), [(2, 1), (3, 2), (4, 2), (5, 3), (10, 4), (900, 201)])
def test_at_most_a_third_of_the_others_is_left_out(photos: int, left: int) -> None:
    stored = np.concatenate([burst_vectors(1, photos, 0.01), burst_vectors(1, 5, 0.1, seed=12)])
    excluded, unread = burst_masks(stored, np.arange(photos), 1, 0.8)
    assert excluded.sum() == left
    assert not excluded[photos:].any()
    assert unread[:photos].sum() < photos


def test_a_burst_is_in_one_fold_and_an_only_photo_in_none() -> None:
    stored = np.concatenate(
        [
            burst_vectors(4, 4, 0.2),
            burst_vectors(1, 1, 0.2, seed=13),
            burst_vectors(1, 2, 0.2, seed=14),
        ]
    )
    owners = np.repeat([0, 1, 2], [16, 1, 2])
    folds = assign_folds(stored, owners, 4, 0.8)
    bursts = folds[:16].reshape(4, 4)
    assert (bursts == bursts[:, :1]).all()
    assert sorted(bursts[:, 0].tolist()) == [0, 1, 2, 3]
    assert folds[16] == -1
    assert folds[17] != folds[18]


def test_few_photos_an_item_do_not_meet_in_one_fold() -> None:
    folds = assign_folds(burst_vectors(60, 2, 0.2), np.repeat(np.arange(60), 2), 4, 0.8)
    assert np.bincount(folds).tolist() == [30, 30, 30, 30]


@pytest.mark.parametrize(
    ("items", "photos", "has_transform"), [(5, 3, False), (6, 3, False), (9, 3, True)]
)
def test_a_transform_that_cannot_be_validated_is_not_used(
    items: int, photos: int, has_transform: bool
) -> None:
    vectors = burst_vectors(items, photos, 0.3)
    owners = np.repeat(np.arange(items), photos)
    catalogue = PhotoVectors(
        vectors.astype(np.float16), owners, np.tile(GREY.colours, (len(owners), 1)), None
    )
    steps: list[tuple[int, int]] = []
    learned = calibrate(
        catalogue,
        [CalibrationQuery(vector, GREY, photo) for photo, vector in enumerate(vectors)],
        [[CalibrationQuery(vector, GREY) for vector in burst_vectors(20, 1, 0, seed=15)]],
        lambda done, total: steps.append((done, total)),
    )
    assert (learned.transform is not None) == has_transform
    assert steps[-1] == (2 * len(owners) + 20,) * 2


def test_many_photos_of_one_item_are_shared_out_evenly() -> None:
    folds = assign_folds(burst_vectors(1, 2500, 0.01), np.zeros(2500, np.int64), 4, 0.8)
    counts = np.bincount(folds)
    assert counts.min() > 500
    assert counts.sum() == 2500


def test_what_does_not_teach_changes_nothing_that_is_learned() -> None:
    random = np.random.default_rng(21)
    raw = random.normal(0, 1, (400, 300)).astype(np.float32)
    owners, teaching = np.repeat(np.arange(40), 10), np.repeat(np.arange(40) % 4 != 1, 10)
    shorter: list[Vectors] = []
    metrics: list[Vectors | None] = []
    for scale in (1, 5):
        changed = np.where(teaching[:, None], raw, raw * scale + 1).astype(np.float32)
        vectors = normalised(fit_projection(normalised(changed), "net").apply(changed))
        catalogue = PhotoVectors(
            vectors.astype(np.float16), owners, np.tile(GREY.colours, (400, 1)), None, changed
        )
        taught = catalogue.fit_on(teaching)
        assert taught.projection is not None
        shorter.append(taught.projection)
        metrics.append(taught.scorer.transform)
        assert catalogue.fit_on(np.ones(400, bool)).projection is None
        assert catalogue.fit_on(np.zeros(400, bool)).projection is None
    assert np.array_equal(shorter[0], shorter[1])
    assert metrics[0] is not None
    assert metrics[1] is not None
    assert np.array_equal(metrics[0], metrics[1])


@pytest.mark.slow
@pytest.mark.parametrize("burst", [1, 5])
def test_the_predicted_outcomes_come_true_with_and_without_bursts(
    burst: int,
) -> None:
    """Measure with new photos of all things, each at another place; half are in the catalogue."""
    random = np.random.default_rng(8)

    def photos(things: NDArray[np.float64], each: int, burst: int) -> Vectors:
        places = np.repeat(things, each // burst, 0)
        places = np.repeat(places + random.normal(0, 0.8, places.shape), burst, 0)
        return normalised((places + random.normal(0, 0.25, places.shape)).astype(np.float32))

    things = random.normal(0, 1, (120, 32)) + 2 * np.repeat(random.normal(0, 1, (30, 32)), 4, 0)
    in_catalogue = random.permutation(120)[:60]
    stored = photos(things[in_catalogue], 15, burst)
    owners, grey = np.repeat(np.arange(60), 15), np.tile(GREY.colours, (900, 1))
    foreign = normalised(random.normal(0, 1, (120, 32)).astype(np.float32))
    catalogue = PhotoVectors(stored.astype(np.float16), owners, grey, None)
    learned = calibrate(
        catalogue,
        [CalibrationQuery(stored[photo], GREY, photo) for photo in range(0, 900, 2)],
        [[CalibrationQuery(vector, GREY) for vector in foreign]],
    )
    new = photos(things, 6, 1)
    scorer = catalogue.fit_on(np.ones(900, bool)).scorer
    outcomes: dict[bool, list[str]] = {True: [], False: []}
    place = {int(thing): item for item, thing in enumerate(in_catalogue)}
    for number, query in enumerate(new):
        features = scorer.score(query, QueryDescriptors(GREY))
        confidences = learned.calibration.model.confidences(features)
        order = np.argsort(-confidences)
        right = place.get(number // 6)
        outcomes[right is not None].append(
            outcome(
                list(confidences[order]),
                features.items[order].tolist(),
                right,
                learned.calibration.rejection_threshold,
            )
        )
    held_out = learned.calibration.expected_held_out
    assert held_out is not None
    expected, elsewhere = learned.calibration.expected_in_catalogue, usual(single=False)
    share = elsewhere.own_share
    came_elsewhere = elsewhere.at(learned.calibration.rejection_threshold)
    for name in OutcomeShares.model_fields:
        # What the photos said, before it was tempered by what came true for other catalogues.
        own = (getattr(expected, name) - (1 - share) * came_elsewhere[name]) / share
        for predicted, came in (
            (own, outcomes[True]),
            (getattr(held_out, name), outcomes[False]),
        ):
            assert predicted == pytest.approx(came.count(name) / len(came), abs=0.1), name
    came_right = outcomes[True].count("right") / len(outcomes[True])
    assert abs(expected.right - came_right) <= learned.calibration.uncertainty
