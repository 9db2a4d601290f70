"""The confidence of an answer: the model, the prior that many catalogues taught, and its refit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from catalog.recognition.calibration import Calibration, ModelEntry
from catalog.recognition.candidates import FEATURES, MatchFeatures
from catalog.recognition.confidence import (
    IN_CATALOGUE_FEATURES,
    KNOTS,
    LEAD,
    ConfidenceModel,
    LabelledFeatures,
    Numbers,
    _softmax,
    fit_candidate,
    fit_logistic,
    ramps,
    refit,
)
from catalog.recognition.decision import GUESS_THRESHOLD, REJECTION_THRESHOLD, Verdict, decide
from catalog.recognition.prior import FILE, OUTCOMES, prior, read, usual, write

CANDIDATES = 4
EVIDENCE = len(IN_CATALOGUE_FEATURES)


def features(values: Numbers) -> MatchFeatures:
    numbers = np.arange(len(values))
    return MatchFeatures(numbers, numbers, values[:, 0].astype(np.float32), values)


def cases(seed: int, count: int, in_catalogue: float = 0.5) -> list[LabelledFeatures]:
    """Draw queries from a known process."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        values = np.zeros((CANDIDATES, len(FEATURES)))
        values[:, 0] = random.normal(0.3, 0.1, CANDIDATES)
        values[:, FEATURES.index("inliers")] = np.abs(random.normal(0, 0.3, CANDIDATES))
        right = int(random.integers(CANDIDATES)) if random.random() < in_catalogue else None
        if right is not None:
            values[right, 0] += 0.2
            values[right, FEATURES.index("inliers")] += 0.5
        values[:, 1] = values[:, FEATURES.index("wccn")] = values[:, 0]
        found.append(LabelledFeatures(features(values), right, 1.0))
    return found


def calibration_gap(model: ConfidenceModel, asked: list[LabelledFeatures]) -> float:
    """Return the mean confidence in the first item, less the share that is right."""
    confidences = [model.confidences(case.features) for case in asked]
    first = np.mean([found.max() for found in confidences])
    right = np.mean(
        [found.argmax() == case.right for found, case in zip(confidences, asked, strict=True)]
    )
    return float(first - right)


def test_a_refitted_confidence_is_a_true_probability() -> None:
    model = refit(prior(0.0), cases(1, 1500), 1e-3, 1e-3)
    asked = cases(2, 3000)
    found = [model.confidences(case.features) for case in asked]
    first = np.array([confidences.max() for confidences in found])
    right = np.array(
        [confidences.argmax() == case.right for confidences, case in zip(found, asked, strict=True)]
    )
    for low, high in ((0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.01)):
        some = (first >= low) & (first < high)
        assert first[some].mean() == pytest.approx(right[some].mean(), abs=0.06)
    assert all(confidences.sum() <= 1 for confidences in found)


def test_a_loyal_model_hardly_moves_and_many_photos_move_it() -> None:
    start, learned, asked = prior(0.0), cases(3, 300, 0.2), cases(4, 3000, 0.2)
    loyal = refit(start, learned, 1e9, 1e9)
    assert np.allclose(loyal.candidate, start.candidate, atol=1e-3)
    assert np.allclose(loyal.gains, start.gains, atol=1e-3)
    gaps = [
        abs(calibration_gap(refit(start, learned, 1.0, loyalty), asked))
        for loyalty in (1e9, 300.0, 1.0)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.05


def test_no_feature_speaks_against_its_item_and_the_same_photos_give_the_same_model() -> None:
    learned = cases(5, 300)
    for case in learned:
        case.features.values[:, FEATURES.index("votes")] = -case.features.values[:, 0]
    model = refit(prior(0.0), learned, 1e-3, 1e-3)
    assert model.candidate.min() >= 0
    assert model.gains.min() >= 0
    again = refit(prior(0.0), learned, 1e-3, 1e-3)
    assert np.array_equal(model.candidate, again.candidate)
    assert np.array_equal(model.gains, again.gains)
    assert model.bias == again.bias


def test_the_logistic_regression_finds_what_a_library_finds() -> None:
    random = np.random.default_rng(6)
    table = random.random((2000, 5))
    truth = (random.random(2000) < 1 / (1 + np.exp(3.5 - table @ [3, 1, 0.8, 2, 1.2]))).astype(
        float
    )
    weight = random.uniform(0.2, 3, 2000)
    precision = 1e-3
    found = fit_logistic(
        table, truth, weight / weight.sum(), np.zeros(6), np.append(np.full(5, precision), 0)
    )
    from sklearn.linear_model import LogisticRegression  # slow to import

    library = LogisticRegression(C=1 / precision, tol=1e-10, max_iter=10_000)
    library.fit(table, truth, sample_weight=weight / weight.sum())
    assert np.allclose(found[:-1], library.coef_[0], atol=1e-4)
    assert found[-1] == pytest.approx(library.intercept_[0], abs=1e-4)


def test_the_conditional_logit_of_two_candidates_is_a_logistic_regression() -> None:
    """Of two candidates, the difference of their features decides; the library has no more."""
    random = np.random.default_rng(7)
    tables = random.normal(0, 1, (300, 2, 3))
    difference = tables[:, 0] - tables[:, 1]
    truth = random.random(300) < 1 / (1 + np.exp(-difference @ [1.0, 2.0, 0.5]))
    weight = random.uniform(0.2, 3, 300)
    rights = np.where(truth, 0, 1)
    labelled = [
        (table, int(right), float(each))
        for table, right, each in zip(tables, rights, weight / weight.sum(), strict=True)
    ]
    found = fit_candidate(labelled, np.zeros(3), 1e-9)
    from sklearn.linear_model import LogisticRegression

    library = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10, max_iter=10_000)
    library.fit(difference, truth, sample_weight=weight / weight.sum())
    assert np.allclose(found, library.coef_[0], atol=1e-3)


def test_more_evidence_never_lowers_the_confidence_of_the_likeliest() -> None:
    model, random = prior(0.0), np.random.default_rng(8)
    for _ in range(200):
        values = random.uniform(0, 1, (CANDIDATES, len(FEATURES)))
        before = model.confidences(features(values))
        first = int(before.argmax())
        better = values.copy()
        better[first, int(random.integers(len(FEATURES)))] += 0.1
        assert model.confidences(features(better))[first] >= before[first] - 1e-12


def test_ramps_count_the_way_from_knot_to_knot() -> None:
    knots = np.array([[0.0, 1.0, 3.0]])
    found = ramps(np.array([[-1.0], [0.5], [2.0], [9.0]]), knots)[:, 0]
    assert found.tolist() == [[0, 0], [0.5, 0], [1, 0.5], [1, 1]]


def test_decisive_print_outweighs_a_vector_that_is_not_sure() -> None:
    """A thing whose print agrees in 39 places is named, one of 3 places is not."""
    values = np.tile([0.45, 0.45, 0.45, 0.6, 0.07, 0.05], (10, 1))
    values[0, :3] += 0.1
    plain = prior(0.2).confidences(features(values))[0]
    values[0, -2:] = np.log1p((39 / 8) ** 2) / 2, 0.5
    printed = prior(0.2).confidences(features(values))[0]
    assert plain < REJECTION_THRESHOLD < printed


def test_an_only_candidate_has_the_whole_share_and_leads_nobody() -> None:
    model = prior(0.1)
    values = np.array([[0.15, 0.15, 0.15, 0.4, 0.03, 1.0]])
    shares, evidence = model.evidence(features(values))
    assert shares.tolist() == [1.0]
    assert evidence[0] == evidence.min() == LEAD[0]
    assert model.confidences(features(values))[0] < GUESS_THRESHOLD, "an unlike thing is unknown"


def test_the_weights_found_are_the_likeliest_where_features_say_the_same() -> None:
    """None of the weights at 0 would rise, and none of the others would move."""
    random = np.random.default_rng(10)
    for _ in range(40):
        common = random.normal(0, 1, (200, 1))
        table = common + random.normal(0, 0.3, (200, 6))
        truth = (random.random(200) < 1 / (1 + np.exp(-table @ random.normal(0, 1, 6)))).astype(
            float
        )
        weight, precision = np.full(200, 1 / 200), np.append(np.full(6, 1e-3), 0)
        found = fit_logistic(table, truth, weight, np.zeros(7), precision)
        chance = 1 / (1 + np.exp(-(table @ found[:-1] + found[-1])))
        slope = table.T @ (weight * (truth - chance)) - precision[:-1] * found[:-1]
        assert (found[:-1] >= 0).all()
        assert slope[found[:-1] == 0].max(initial=-1) <= 1e-5
        assert np.abs(slope[found[:-1] > 0]).max(initial=0) <= 1e-5


@pytest.mark.parametrize("seed", [240, 351, 446, 815])
def test_a_weight_that_was_held_at_0_may_rise_again(seed: int) -> None:
    """In one of 200 such tables one does."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(30, 1))
    table = np.hstack([common + 0.3 * random.normal(size=(30, 1)) for _ in range(5)])
    truth = (random.random(30) < 1 / (1 + np.exp(-table @ [1, -1, 1, -1, 1]))).astype(float)
    start, precision = np.append(np.abs(random.normal(size=5)), 0), np.full(6, 1e-3)
    found = fit_logistic(table, truth, np.full(30, 1 / 30), start, precision)
    chance = 1 / (1 + np.exp(-(table @ found[:-1] + found[-1])))
    slope = table.T @ (truth - chance) / 30 - 1e-3 * (found - start)[:-1]
    assert 0 < np.count_nonzero(found[:-1] == 0) < 4
    assert slope[found[:-1] == 0].max() <= 1e-5
    assert np.abs(slope[found[:-1] > 0]).max() <= 1e-5


def test_the_weights_found_are_the_likeliest_wherever_the_search_begins() -> None:
    """From far away the first steps go too far; the distance from the start counts too."""
    random = np.random.default_rng(11)
    for spread in (0.5, 5.0, 10.0):
        table = random.random((120, 4))
        truth = (random.random(120) < 1 / (1 + np.exp(2 - table @ [3, 1, 0.5, 2]))).astype(float)
        weight = random.uniform(0.2, 3, 120)
        weight /= weight.sum()
        start = np.append(np.abs(random.normal(0, spread, 4)), random.normal(0, spread))
        precision = random.uniform(1e-3, 3e-2, 5)
        found = fit_logistic(table, truth, weight, start, precision)
        full = np.column_stack([table, np.ones(120)])
        chance = 1 / (1 + np.exp(-(full @ found)))
        slope = full.T @ (weight * (truth - chance)) - precision * (found - start)
        free = np.append(found[:-1] > 0, True)
        assert (found[:-1] >= 0).all()
        assert np.abs(slope[free]).max() <= 1e-5
        assert slope[~free].max(initial=-1) <= 1e-5


def test_the_candidates_weights_are_the_likeliest_wherever_the_search_begins() -> None:
    random = np.random.default_rng(12)
    for spread in (0.0, 3.0, 10.0):
        tables = random.normal(0, 1, (60, 5, 3))
        rights = random.integers(0, 5, 60)
        tables[np.arange(60), rights] += [1.0, 0.5, 0.0]
        weight = np.full(60, 1 / 60)
        start, precision = np.abs(random.normal(0, spread, 3)), 1e-2
        labelled = [(t, int(r), float(w)) for t, r, w in zip(tables, rights, weight, strict=True)]
        found = fit_candidate(labelled, start, precision)
        apart = tables - tables[np.arange(60), rights][:, None]
        width = np.sqrt(np.square(apart).reshape(-1, 3).mean(0))
        shares = np.exp(apart @ found)
        shares /= shares.sum(1, keepdims=True)
        slope = -(weight @ np.einsum("nc,ncf->nf", shares, apart))
        slope = slope / width - precision * (found - start) * width  # of features of unit spread
        assert (found >= 0).all()
        assert np.abs(slope[found > 0]).max(initial=0) <= 1e-5
        assert slope[found == 0].max(initial=-1) <= 1e-5


def test_what_speaks_for_a_thing_being_in_the_catalogue() -> None:
    """Each feature by hand: of the likeliest candidate, and how far it is before the others."""
    model = replace(prior(0.0), unlike=0.2, candidate=np.array([2.0, 0, 0, 0, 1.0, 0]))
    values = np.array(
        [
            [0.28, 0.3, 0.44, 0.5, 0.1, 0.2],
            [0.68, 0.5, 0.84, 0.7, 0.6, 0.3],
            [0.52, 0.4, 0.20, 0.3, 0.4, 0.5],
        ]
    )
    shares, evidence = model.evidence(features(values))
    scores = [2 * 0.1 + 0.1, 2 * 0.6 + 0.6, 2 * 0.4 + 0.4]  # cosines counted from unlike things
    likely = np.exp(scores) / np.exp(scores).sum()
    assert shares == pytest.approx(likely)
    assert evidence == pytest.approx(
        [
            np.log(likely[1] / (likely[0] + likely[2])),
            0.8,
            0.8 - (0.3 + 0.0) / 2,
            0.6,
            0.6,
            0.6 - 0.4,
            0.3,
            0.7,
            0.7 - (0.5 + 0.3) / 2,
        ]
    )
    sure, _ = model.evidence(features(np.vstack([values[:1], values[1:2] + 9])))
    assert model.evidence(features(np.vstack([values[:1], values[1:2] + 9])))[1][0] == LEAD[1]
    assert sure[1] > 0.999999


def test_the_confidence_is_the_share_times_the_chance_of_being_there() -> None:
    model = prior(0.0)
    found = features(np.random.default_rng(3).random((3, len(FEATURES))))
    shares, evidence = model.evidence(found)
    way = ramps(evidence[None], model.knots)[0]
    odds = model.bias + sum(float(a * b) for a, b in zip(way.flat, model.gains.flat, strict=True))
    assert model.confidences(found) == pytest.approx(shares / (1 + np.exp(-odds)))
    assert replace(model, bias=1e9).confidences(found).sum() == pytest.approx(1)
    assert replace(model, bias=-1e9).confidences(found).sum() == pytest.approx(0)


@pytest.mark.parametrize("damage", [None, [], "much", 10**400, float("nan")])
def test_a_damaged_calibration_of_format_1_is_refused(damage: object) -> None:
    content: dict[str, object] = dict.fromkeys(("measures", "held", "none"), 1.0)
    content |= {"one_go": damage, "unknown_below": 0.5, "alone_from": 0.8}
    content |= dict.fromkeys(("own", "relatives", "shipped"), usual(single=True).at(0.8))
    with pytest.raises(ValidationError):
        Calibration.model_validate(content)


def test_what_is_no_number_is_unknown() -> None:
    assert decide([float("nan"), 0.1], 0.5) == (Verdict.UNKNOWN, 0)


def test_the_prior_survives_its_file(tmp_path: Path) -> None:
    model = prior(0.3)
    single, several = (usual(single=only) for only in (True, False))
    for known in (single, several):
        assert known.outcomes.sum(1) == pytest.approx(1, abs=0.001)
        assert 0 <= known.own_share <= 1
        assert 0 < known.uncertainty < 0.5
    write(read(FILE), single, several, tmp_path / "prior.json")
    again = read(tmp_path / "prior.json").model(0.3, single=False)
    assert np.array_equal(model.candidate, again.candidate)
    assert np.array_equal(model.knots, again.knots)
    assert np.array_equal(model.gains, again.gains)
    assert (tmp_path / "prior.json").read_text() == FILE.read_text()


def test_a_calibration_keeps_its_model() -> None:
    entry = ModelEntry.of(prior(0.25))
    again = ModelEntry.model_validate_json(entry.model_dump_json())
    asked = cases(9, 20)
    for case in asked:
        assert np.array_equal(
            again.model().confidences(case.features), prior(0.25).confidences(case.features)
        )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("a feature", "wanted are "),
        ("a knot", f"{KNOTS} knots and {KNOTS - 1} gains are wanted"),
        ("the order", "the knots do not ascend"),
        ("a gain", f"{KNOTS} knots and {KNOTS - 1} gains are wanted"),
        ("a negative gain", "greater than or equal to 0"),
        ("a large weight", "less than or equal to"),
    ],
)
def test_a_model_with_wrong_numbers_is_refused(wrong: str, said: str) -> None:
    content = json.loads(ModelEntry.of(prior(0.25)).model_dump_json())
    row = content["in_catalogue"]["lead"]
    if wrong == "a feature":
        del content["in_catalogue"]["lead"]
    elif wrong == "a knot":
        row["knots"] = row["knots"][:-1]
    elif wrong == "the order":
        row["knots"] = row["knots"][::-1]
    elif wrong == "a gain":
        row["gains"] = [*row["gains"], 1.0]
    elif wrong == "a negative gain":
        row["gains"] = [-0.1, *row["gains"][1:]]
    else:
        content["candidate"]["cosine"] = 1e308
    with pytest.raises(ValidationError, match=said):
        ModelEntry.model_validate(content)


def test_a_calibration_of_format_1_gets_the_prior() -> None:
    """A bundle of an earlier version goes on answering, by what many catalogues taught."""
    shares = {"right": 0.5, "one_of": 0.1, "unknown": 0.4, "wrong": 0.0}
    weights = {"cosine": 1, "several": 1, "distinct": 1, "coloured": 1, "agreeing": 1, "votes": 1}
    calibration = Calibration.model_validate(
        {
            "measures": weights,
            "held": {"distinct": 1, "agreeing": 1, "alike": 1, "coloured": 1},
            "none": 4.0,
            "unknown_below": 0.5,
            "alone_from": 0.8,
            "one_go": 0.6 + 0.4 * 0.3,
            "own": shares,
            "relatives": shares,
            "shipped": shares,
        }
    )
    assert calibration.model.unlike == pytest.approx(0.3)
    assert calibration.model.bias == prior(0.3).bias
    assert calibration.rejection_threshold == REJECTION_THRESHOLD == 0.8
    assert calibration.expected_in_catalogue.model_dump() == usual(single=True).at(0.8)


def test_with_a_higher_threshold_less_is_usually_named() -> None:
    known = usual(single=False)
    low, between, high = (known.at(threshold) for threshold in (0.8, 0.825, 0.9))
    assert list(low) == list(OUTCOMES)
    for name in ("right", "wrong"):
        assert low[name] > between[name] > high[name]
    assert known.at(0.0) == known.at(float(known.thresholds[0]))


def test_the_model_has_as_many_knots_for_each_feature() -> None:
    model = prior(0.0)
    assert model.knots.shape == (EVIDENCE, KNOTS)
    assert model.gains.shape == (EVIDENCE, KNOTS - 1)
    assert (np.diff(model.knots) > 0).all()
    assert (model.gains >= 0).all()
    moved = replace(model, unlike=0.4)
    assert moved.confidences(features(np.full((2, 6), 0.4))).sum() <= 1


def test_evidence_beyond_all_bounds_gives_chances_all_the_same() -> None:
    chances = _softmax(np.array([[1000.0, 999.0], [-1000.0, -np.inf]]))
    assert chances[0] == pytest.approx([0.7310586, 0.2689414])
    assert chances[1].tolist() == [1.0, 0.0]
