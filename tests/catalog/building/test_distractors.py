"""The shipped distractors are those that the script computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from catalog.building import distractors
from catalog.building.cache import FeatureCache
from catalog.core.photos import Picture
from catalog.networks.featurizer import Featurizer
from catalog.recognition.descriptors import extract_descriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.scored_queries import SEED
from catalog.synthetic.foreign import foreign_photos


def silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""


@pytest.mark.slow
def test_the_shipped_vectors_and_descriptors_are_those_of_the_drawings(tmp_path: Path) -> None:
    """Every tenth distractor is drawn again: made by ``python -m catalog.building.distractors``."""
    featurizer = Featurizer.open()
    cache = FeatureCache(tmp_path)
    queries = distractors.drawn_distractors(featurizer, cache, silent)
    cache.close()
    assert len(queries) == distractors.COUNT
    pictures = list(foreign_photos(SEED, distractors.COUNT))
    for query, picture in list(zip(queries, pictures, strict=True))[::10]:
        vector = featurizer.embed([picture])[0]
        assert float(vector @ query.vector) > 0.9999
        described = extract_descriptors(picture, PER_QUERY)
        difference = np.abs(described.colours.astype(int) - query.descriptors.colours.astype(int))
        assert difference.max() <= 2
        assert described.local_features is not None
        assert query.descriptors.local_features is not None
        count = len(query.descriptors.local_features)
        assert abs(len(described.local_features) - count) <= 0.02 * count + 2


def test_a_first_build_with_the_embedded_network_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(seed: int, count: int) -> list[object]:
        raise AssertionError("a picture was drawn")

    monkeypatch.setattr(distractors, "foreign_photos", drawn)
    cache = FeatureCache(tmp_path)
    assert len(distractors.drawn_distractors(Featurizer.open(), cache, silent)) == 120
    cache.close()


def test_another_network_draws_once(
    tmp_path: Path, colour_grid: Featurizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [np.full((32, 32, 3), number, np.uint8) for number in range(distractors.COUNT)]
    draws: list[int] = []

    def drawn(seed: int, count: int) -> list[Picture]:
        draws.append(count)
        return pictures[:count]

    monkeypatch.setattr(distractors, "foreign_photos", drawn)
    cache = FeatureCache(tmp_path)
    first = distractors.drawn_distractors(colour_grid, cache, silent)
    again = distractors.drawn_distractors(colour_grid, cache, silent)
    cache.close()
    assert draws == [120]
    assert all(
        np.array_equal(one.vector, other.vector) for one, other in zip(first, again, strict=True)
    )
