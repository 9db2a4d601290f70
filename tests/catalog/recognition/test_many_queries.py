"""The votes of many queries at once are exactly those of one query after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors
from catalog.recognition.local_features import many_queries
from catalog.recognition.local_features.extract import DIMENSIONS, SCALE, LocalFeatures
from catalog.recognition.local_features.many_queries import count_votes, find_neighbours
from catalog.recognition.local_features.store import (
    VOTERS,
    LocalFeatureStore,
    LocalFeatureWriter,
    PhotoVotes,
)

PHOTOS, FEATURES = 60, 80
OWNERS = np.arange(PHOTOS) // 5
PLAIN = LocalFeatures(np.empty((0, DIMENSIONS), np.int8), np.empty((0, 4), np.uint8))


def features(count: int, random: np.random.Generator, near: LocalFeatures | None) -> LocalFeatures:
    """Codes around a few directions, so that words are full; or a little beside other codes."""
    if near is None:
        centres = np.random.default_rng(5).standard_normal((6, DIMENSIONS))
        codes = centres[random.integers(0, len(centres), count)]
    else:
        codes = near.codes[:count] / SCALE
    codes = codes + 0.25 * random.standard_normal(codes.shape) / DIMENSIONS**0.5
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    stored = np.clip(np.rint(codes * SCALE), -127, 127).astype(np.int8)
    return LocalFeatures(stored, np.zeros((count, 4), np.uint8))


@pytest.fixture(scope="module")
def photos() -> list[LocalFeatures]:
    """The local features of each photo."""
    random = np.random.default_rng(1)
    return [features(FEATURES, random, None) for _ in range(PHOTOS)]


@pytest.fixture
def store(photos: list[LocalFeatures], tmp_path: Path) -> LocalFeatureStore:
    """A store of them."""
    writer = LocalFeatureWriter(tmp_path)
    for photo in photos:
        writer.add(photo)
    writer.finish()
    return LocalFeatureStore(tmp_path, PHOTOS)


def queries(photos: list[LocalFeatures]) -> list[LocalFeatures]:
    """Queries at some photos, at something else, at a plain thing, and with more than may vote."""
    random = np.random.default_rng(2)
    return [
        features(FEATURES, random, photos[7]),
        PLAIN,
        features(VOTERS + 30, random, None),
        photos[31],
        features(1, random, None),
    ]


def test_their_votes_are_the_same_numbers(
    store: LocalFeatureStore, photos: list[LocalFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_queries, "AT_ONCE", 2)
    monkeypatch.setattr(many_queries, "PRODUCTS_AT_ONCE", 100)
    asked = queries(photos)
    found = list(find_neighbours(store, asked))
    assert len(found) == len(asked)
    excluded = [None, OWNERS[7] == OWNERS, np.arange(PHOTOS) % 3 == 1, np.ones(PHOTOS, bool)]
    for query, neighbours in zip(asked, found, strict=True):
        for absent in excluded:
            expected = store.votes(query, OWNERS, absent)
            voted = count_votes(store, query, neighbours, OWNERS, absent)
            for one, other in zip(expected, voted, strict=True):
                assert one.dtype == other.dtype
                assert (one == other).all()
    assert store.votes(photos[31], OWNERS)[1].argmax() == 31


def test_queries_without_local_features_have_no_votes(store: LocalFeatureStore) -> None:
    found = list(find_neighbours(store, [PLAIN, PLAIN]))
    assert [len(neighbours.photos) for neighbours in found] == [0, 0]
    for neighbours in found:
        assert not any(votes.any() for votes in count_votes(store, PLAIN, neighbours, OWNERS))


def test_features_whose_nearest_are_mostly_absent_are_asked_again(
    store: LocalFeatureStore, photos: list[LocalFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = photos[7]
    (neighbours,) = find_neighbours(store, [query])
    asked: list[int] = []
    votes_of = store.votes_of

    def counted(voters: Vectors, words: Rows, excluded: NDArray[np.bool_]) -> PhotoVotes:
        asked.append(len(voters))
        return votes_of(voters, words, excluded)

    monkeypatch.setattr(store, "votes_of", counted)
    count_votes(store, query, neighbours, OWNERS)
    assert not asked
    nearly_all = np.arange(PHOTOS) > 3
    count_votes(store, query, neighbours, OWNERS, nearly_all)
    assert asked
