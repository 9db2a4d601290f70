"""Find the stored local features nearest to those of many queries at once.

A device asks with one query. A build calibrates with hundreds, and asks with each again while some
photos are left out. So it compares each word's stored features with all the queries' features
that look there, once, and keeps enough of the nearest to leave some out later.

The similarities are exact: whole numbers below 2^24, divided by 256. So the votes are the same
numbers as those of `LocalFeatureStore.votes`, in whatever order they are computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows
from catalog.recognition.local_features.extract import DIMENSIONS, SCALE, LocalFeatures
from catalog.recognition.local_features.store import (
    NEAREST,
    VOTERS,
    LocalFeatureStore,
    PhotoVotes,
    Votes,
    nearest_words,
)

AT_ONCE = 220  # queries; more take more memory
PRODUCTS_AT_ONCE = 1_000_000  # of features that are compared
OF_WORD, KEPT = 16, 32  # nearest stored features that are kept: of each word, and of all words
MOST_ROWS = 2**30  # stored features; a code's product with another is below 2^20


@dataclass(frozen=True)
class Neighbours:
    """The stored features nearest to each of a query's v features, the nearest first.

    Attributes:
        photos: Their photos, int32 (v, k).
        similarities: Float32 (v, k); -inf where there are no more.
        missed: The highest similarity that a stored feature may have that is not among them,
            float32 (v,); -inf where none is missing.
    """

    photos: NDArray[np.int32]
    similarities: NDArray[np.float32]
    missed: NDArray[np.float32]


def find_neighbours(
    store: LocalFeatureStore, queries: Sequence[LocalFeatures]
) -> Iterator[Neighbours]:
    """Yield what is nearest to the features of each query that vote.

    Args:
        store: The local features of a catalogue that is being built; at least one.
        queries: The queries.
    """
    for at in range(0, len(queries), AT_ONCE):
        some = queries[at : at + AT_ONCE]
        # Of each query apart: sums in another order might find another word.
        words = [nearest_words(query.vectors[:VOTERS]) for query in some]
        codes = np.concatenate([query.codes[:VOTERS] for query in some])
        found = _of_features(store, codes, np.concatenate(words))
        ends = np.cumsum([0, *map(len, words)]).tolist()
        for begin, end in pairwise(ends):
            yield Neighbours(
                found.photos[begin:end], found.similarities[begin:end], found.missed[begin:end]
            )


def count_votes(
    store: LocalFeatureStore,
    query: LocalFeatures,
    found: Neighbours,
    owners: Rows,
    excluded: NDArray[np.bool_] | None = None,
) -> tuple[Votes, Votes]:
    """Return the votes of a query by what was found for it; see `LocalFeatureStore.votes`."""
    present = np.isfinite(found.similarities)
    if excluded is not None:
        present &= ~excluded[found.photos]
    rank = present.cumsum(1)
    counts = np.minimum(rank[:, -1], NEAREST + 1)
    chosen = present & (rank <= NEAREST + 1)
    last = np.where(chosen, found.similarities, np.inf).min(1)
    unsure = found.missed > np.where(counts > NEAREST, last, -np.inf)
    voter, place = np.nonzero(chosen & (rank < counts[:, None]) & ~unsure[:, None])
    votes = PhotoVotes(
        found.photos[voter, place], found.similarities[voter, place] - last[voter], voter
    )
    if unsure.any():  # too many of the nearest are excluded
        numbers = np.flatnonzero(unsure)
        voters = query.vectors[:VOTERS]
        more = store.votes_of(voters[numbers], nearest_words(voters)[numbers], excluded)
        votes = PhotoVotes(
            np.concatenate([votes.photos, more.photos]),
            np.concatenate([votes.weights, more.weights]),
            np.concatenate([votes.voters, numbers[more.voters]]),
        )
    return votes.summed(owners)


def _of_features(store: LocalFeatureStore, codes: NDArray[np.int8], words: Rows) -> Neighbours:
    """Return what is nearest to each code, int8 (v, 32), in its words, int64 (v, 9)."""
    order = np.argsort(words, axis=None, kind="stable")
    distinct, begins = np.unique(words.ravel()[order], return_index=True)
    voters = order // words.shape[1]
    # One product tells how similar a stored feature is, and in its last digits which one it is.
    asking = np.hstack([codes * float(MOST_ROWS), np.ones((len(codes), 1))])
    found = np.full((words.size, OF_WORD), -np.inf)
    ends = np.append(begins, len(order))[1:].tolist()  # none where no query has local features
    for word, begin, end in zip(distinct.tolist(), begins.tolist(), ends, strict=True):
        first, last = store.word_bounds[word : word + 2].tolist()
        if first == last:
            continue
        stored = np.empty((last - first, DIMENSIONS + 1))
        stored[:, :-1], stored[:, -1] = store.codes[first:last], np.arange(first, last)
        step = max(1, PRODUCTS_AT_ONCE // len(stored))
        for at in range(begin, end, step):
            some = slice(at, min(at + step, end))
            near = asking[voters[some]] @ stored.T
            if len(stored) > OF_WORD:
                near = np.partition(near, -OF_WORD, 1)[:, -OF_WORD:]
            found[order[some], : near.shape[1]] = near
    full = np.diff(store.word_bounds)[words] > OF_WORD
    missed = np.where(full, found[:, 0].reshape(words.shape), -np.inf).max(1)  # the least of each
    found = found.reshape(len(codes), words.shape[1] * OF_WORD)
    found = np.sort(found, 1)[:, : -KEPT - 2 : -1]
    missed = np.maximum(missed, found[:, KEPT])
    there = np.isfinite(found[:, :KEPT])
    rows = np.where(there, found[:, :KEPT], 0) % MOST_ROWS
    photos = store.photos[rows.astype(np.int64)]
    return Neighbours(photos, _similarity(found[:, :KEPT]), _similarity(missed))


def _similarity(products: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(np.floor(products / MOST_ROWS) / SCALE, np.float32)
