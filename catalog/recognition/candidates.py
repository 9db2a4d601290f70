"""Measure how well each candidate item matches a query picture.

Candidates come from two searches: the items nearest by vector, and the items that the query's
local features vote for. Every candidate is then measured in the same way, whichever search
found it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors
from catalog.recognition import wccn
from catalog.recognition.colours import similarity as colour_similarity
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.index import Index
from catalog.recognition.joined import NO_FEATURES, JoinedIndex, JoinedRows, JoinedStore
from catalog.recognition.local_features.extract import LocalFeatures
from catalog.recognition.local_features.geometric_verification import count_inliers
from catalog.recognition.local_features.many_queries import Neighbours, count_votes
from catalog.recognition.local_features.store import LocalFeatureStore, Votes

BY_VECTOR, BY_VOTES = 10, 6  # items that become candidates
TOP_K = 5  # nearest photos of an item whose mean similarity counts beside the best photo's
FEATURES = ("cosine", "top_mean", "wccn", "colour", "inliers", "votes")
UNREAD = (0.03, 0.07)  # inliers and votes where nothing was read: of the median look that taught
CHANCE_INLIERS = 8  # inliers that two pictures with nothing in common may have
COLOUR = FEATURES.index("colour")
WCCN = FEATURES.index("wccn")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MatchFeatures:
    """The match features of a query's c candidates, the nearest by vector first.

    Attributes:
        items: The candidates' item numbers, int64 (c,).
        photos: The best photo of each, int64 (c,).
        cosines: The similarity of each one's nearest photo, float32 (c,).
        values: Float64 (c, 6), as `FEATURES` names them: the cosine of the nearest photo, the
            mean cosine of the top k photos, the same mean after the WCCN transform, the mean
            colour similarity of the top k, the log of one plus the scaled inliers, and the share
            of the votes.
    """

    items: Rows
    photos: Rows
    cosines: Vectors
    values: NDArray[np.float64]


class QueryDescriptors:
    """A query's descriptors, with the inliers counted so far.

    Geometric verification is the costliest part of an answer; asking again with photos left
    out repeats none of it.

    Args:
        descriptors: The descriptors.
        neighbours: The stored features nearest to its local features, where they are known.
    """

    def __init__(self, descriptors: Descriptors, neighbours: Neighbours | None = None) -> None:
        self.colours, self.local_features = descriptors.colours, descriptors.local_features
        self.thing_colours = descriptors.thing_colours
        self._neighbours = neighbours
        self._inliers: dict[int, int] = {}

    def inliers(self, store: LocalFeatureStore, photo: int) -> int:
        """Count the inliers between the query and a photo of the catalogue."""
        if photo not in self._inliers:
            assert self.local_features is not None
            self._inliers[photo] = count_inliers(self.local_features, store.local_features(photo))
        return self._inliers[photo]

    def votes(
        self, store: LocalFeatureStore, owners: Rows, excluded: Mask | None
    ) -> tuple[Votes, Votes]:
        """Return the votes by item and by photo; see `LocalFeatureStore.votes`."""
        assert self.local_features is not None
        if self._neighbours is None:
            return store.votes(self.local_features, owners, excluded)
        return count_votes(store, self.local_features, self._neighbours, owners, excluded)


class CandidateScorer:
    """Finds candidates among a catalogue's n photos and measures them.

    Args:
        vectors: Stored vectors, float16 (n, d).
        index: Finds the nearest of them.
        owners: The item number of each photo, int64 (n,).
        colours: Colour histograms, uint8 (n, 256).
        store: Local features, where the catalogue has them.
        transform: The WCCN transform, float32 (d, d), where it could be learned.
    """

    def __init__(
        self,
        vectors: NDArray[np.float16],
        index: Index,
        owners: Rows,
        colours: NDArray[np.uint8],
        store: LocalFeatureStore | None,
        transform: Vectors | None = None,
    ) -> None:
        self._vectors, self._index, self._owners = vectors, index, owners
        self._colours, self._store, self.transform = colours, store, transform
        self._by_item = np.argsort(owners, kind="stable")
        self._begins = np.searchsorted(owners[self._by_item], np.arange(int(owners.max()) + 2))

    def score(
        self,
        vector: Vectors,
        query: QueryDescriptors,
        excluded: Mask | None = None,
        unread: Mask | None = None,
    ) -> MatchFeatures:
        """Find and measure the candidates for a query.

        Args:
            vector: The query's embedding, float32 (d,).
            query: Its descriptors. Local features count only where the query and the catalogue
                have them.
            excluded: Photos to treat as absent, bool (n,).
            unread: Photos whose local features to treat as absent, bool (n,); by default those
                of `excluded`.
        """
        unread = excluded if unread is None else unread
        votes: tuple[Votes, Votes] | None = None
        items = self._nearest_items(vector, excluded)
        if self._store is not None and query.local_features is not None:
            votes = query.votes(self._store, self._owners, unread)
            items += _most_voted(votes[0])
        items = list(dict.fromkeys(items))
        table = np.zeros((len(items), len(FEATURES)))
        table[:, -len(UNREAD) :] = UNREAD
        photos = np.zeros(len(items), np.int64)
        transformed = None if self.transform is None else wccn.apply(self.transform, vector)
        for place, item in enumerate(items):
            rows = self.rows(item, excluded)
            stored = self._vectors[rows].astype(np.float32)
            cosines = stored @ vector
            nearest = cosines.argmax()
            photos[place] = rows[nearest]
            table[place, :2] = cosines[nearest], _top_mean(cosines)
            table[place, WCCN] = table[place, 1]  # without a transform, WCCN changes nothing
            if transformed is not None and self.transform is not None:
                table[place, WCCN] = _top_mean(wccn.apply(self.transform, stored) @ transformed)
            table[place, COLOUR] = _top_mean(colour_similarity(self._colours[rows], query.colours))
            if self._store is not None and votes is not None:
                table[place, -2:] = self._local(item, rows, cosines, query, votes, unread)
        nearest_cosines = table[:, 0].astype(np.float32)
        return MatchFeatures(np.array(items, np.int64), photos, nearest_cosines, table)

    def with_more(
        self,
        vectors: Vectors,
        owners: Rows,
        colours: NDArray[np.uint8],
        local_features: Sequence[LocalFeatures | None],
    ) -> CandidateScorer:
        """Return a scorer over these photos and m further ones, which follow them.

        Args:
            vectors: Their embeddings, float32 (m, d).
            owners: The item number of each, int64 (m,); new items' numbers follow these ones'.
            colours: Their colour histograms, uint8 (m, 256).
            local_features: Their local features; used where the catalogue has some.
        """
        stored, count = vectors.astype(np.float16), len(self._owners)
        store = None
        if self._store is not None:
            store = JoinedStore(self._store, count, [own or NO_FEATURES for own in local_features])
        return CandidateScorer(
            cast(NDArray[np.float16], JoinedRows(self._vectors, stored)),
            JoinedIndex(self._index, count, stored),
            np.concatenate([self._owners, owners]),
            cast(NDArray[np.uint8], JoinedRows(self._colours, colours)),
            store,
            self.transform,
        )

    def rows(self, item: int, excluded: Mask | None = None) -> Rows:
        """Return the photo numbers of an item."""
        rows = self._by_item[self._begins[item] : self._begins[item + 1]]
        return rows if excluded is None else rows[~excluded[rows]]

    def _local(
        self,
        item: int,
        rows: Rows,
        cosines: Vectors,
        query: QueryDescriptors,
        votes: tuple[Votes, Votes],
        unread: Mask | None,
    ) -> tuple[float, float]:
        """Return an item's inlier feature and its share of the votes.

        The inliers are counted with the photo that has most votes, else with the nearest.
        """
        assert self._store is not None
        by_item, by_photo = votes
        if unread is not None:
            readable = ~unread[rows]
            rows, cosines = rows[readable], cosines[readable]
        inliers = 0
        if len(rows):
            voted = by_photo[rows]
            best = voted.argmax() if voted.any() else cosines.argmax()
            inliers = query.inliers(self._store, int(rows[best]))
        share = float(by_item[item]) / max(float(by_item.sum()), 1e-9)
        return float(np.log1p((inliers / CHANCE_INLIERS) ** 2) / 2), share

    def _nearest_items(self, vector: Vectors, excluded: Mask | None) -> list[int]:
        """Return the numbers of the items nearest by vector, the nearest first."""
        total = len(self._owners)
        enough = min(BY_VECTOR, len(self._begins) - 1)
        count = BY_VECTOR * 4 + (0 if excluded is None else int(excluded.sum()))
        while True:
            rows, _ = self._index.nearest(vector, min(count, total))
            present = rows if excluded is None else rows[~excluded[rows]]
            items = list(dict.fromkeys(self._owners[present].tolist()))
            if len(items) >= enough or count >= total:
                return items[:BY_VECTOR]
            count *= 4  # the many photos of one item filled the list


def _most_voted(votes: Votes) -> list[int]:
    """Return the numbers of the items with most votes, the most first."""
    order = np.argsort(-votes, kind="stable")[:BY_VOTES]
    return [int(item) for item in order if votes[item]]


def _top_mean(similarities: Vectors) -> float:
    nearest = np.sort(similarities)[-TOP_K:]
    return float(nearest.sum() / len(nearest))  # as `mean` does, which takes longer
