"""What many catalogues teach: the file of their looks, the model, and what is usual elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.core.errors import ContentError
from catalog.recognition.candidates import FEATURES, MatchFeatures
from catalog.recognition.prior import read as read_prior
from catalog.recognition.rejection import BOUNDS
from catalog.recognition.scored_queries import DISTRACTOR, HELD_OUT, IN_CATALOGUE, ScoredQuery
from training.confidence.__main__ import main, write
from training.confidence.choices import COLUMNS, limits, outcome, with_loyalty
from training.confidence.elsewhere import built, usual
from training.confidence.looks import FAR, NEAR, OWN, Catalogue, read
from training.confidence.looks import write as write_looks

CANDIDATES = 5


def look(random: np.random.Generator, kind: str, own: float) -> ScoredQuery:
    """Draw a query; the right item, if any, stands out by so much."""
    values = random.uniform(0.1, 0.4, (CANDIDATES, len(FEATURES)))
    right = int(random.integers(CANDIDATES)) if own else None
    if right is not None:
        values[right] += random.normal(own, 0.1)
    numbers = np.arange(CANDIDATES)
    features = MatchFeatures(numbers, numbers, values[:, 0].astype(np.float32), values)
    return ScoredQuery(kind, features, right, teaches=kind in (IN_CATALOGUE, HELD_OUT))


def drawn(source: str, photos: int, seed: int) -> Catalogue:
    random = np.random.default_rng(seed)
    kinds = ((IN_CATALOGUE, 0.35), (HELD_OUT, 0.0), (DISTRACTOR, 0.0))
    queries = tuple(look(random, kind, own) for kind, own in kinds for _ in range(20))
    seen = ((OWN, 0.3), (NEAR, 0.0), (FAR, 0.0))
    looks = tuple(look(random, kind, own) for kind, own in seen for _ in range(30))
    return Catalogue(source, f"{photos}", "a network", 20, photos, 0.6, queries, looks)


@pytest.fixture(scope="module")
def taught() -> list[Catalogue]:
    """Two sources with three catalogues each."""
    return [
        drawn(source, photos, 10 * number + photos)
        for number, source in enumerate(("goods", "tools"))
        for photos in (1, 1, 4)
    ]


def test_looks_survive_their_file(taught: list[Catalogue], tmp_path: Path) -> None:
    write_looks(taught, tmp_path / "looks.npz")
    again = read(tmp_path / "looks.npz")
    for before, after in zip(taught, again, strict=True):
        assert (before.source, before.items, before.photos) == (
            after.source,
            after.items,
            after.photos,
        )
        for left, right in zip(
            (*before.queries, *before.looks), (*after.queries, *after.looks), strict=True
        ):
            assert (left.kind, left.right, left.teaches) == (right.kind, right.right, right.teaches)
            assert np.allclose(left.features.values, right.features.values, atol=1e-6)


def test_what_is_usual_is_measured_with_models_that_the_source_did_not_teach(
    taught: list[Catalogue], tmp_path: Path
) -> None:
    found = built(taught)
    for one in found:
        assert BOUNDS[0] <= one.threshold <= 1
        starts = [other.start for other in found if other.catalogue.source == one.catalogue.source]
        assert all(start.bias == one.start.bias for start in starts)
        assert all(0 <= value <= 1 for value in outcome(one))
        loyal = with_loyalty(one, (1e9, 1e9))
        assert np.allclose(loyal.model.candidate, one.start.candidate, atol=1e-3)
    by_threshold, by_fit = np.mean([limits(one) for one in found], axis=0)
    assert 0 < by_threshold <= by_fit + 0.1, "what was fitted to the looks themselves is the limit"
    assert len({one.start.bias for one in found}) == 2
    assert len(outcome(found[0])) == len(COLUMNS)
    known = usual(found, single=True)
    assert (np.diff(known.outcomes[:, 0]) <= 0).all(), "the higher the threshold, the less is named"
    assert 0 <= known.own_share <= 1
    with pytest.raises(ContentError, match="no catalogues"):
        usual([one for one in found if one.single], single=False)
    write(taught, tmp_path / "prior.json")
    prior = read_prior(tmp_path / "prior.json")
    assert prior.single[FEATURES.index("colour")] == 0 < prior.candidate.max()


def test_the_shipped_model_is_not_overwritten_by_one_without_a_source() -> None:
    with pytest.raises(SystemExit):
        main(["--without", "goods"])
