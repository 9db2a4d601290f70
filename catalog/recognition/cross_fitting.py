"""A catalogue as it would be seen by what had learned nothing of some of its photos.

A projection and a metric fit the photos that they were learned from; a new look finds both as
a stranger. So each look is judged by those that other photos taught (cross-fitting, Stone
1974): one at what the catalogue does not hold by those of other items, one at a thing that it
holds by those that were not taken in one go with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors, normalised
from catalog.networks import projection
from catalog.recognition import wccn
from catalog.recognition.candidates import CandidateScorer
from catalog.recognition.index import Exact
from catalog.recognition.local_features.store import LocalFeatureStore

AT_ONCE = 8192  # photos whose vectors are shortened at a time


@dataclass(frozen=True)
class FittedScorer:
    """All photos, seen by what some of them taught.

    Attributes:
        scorer: The photos.
        shorter: Float32 (k, d), which a look's own vector is multiplied by to be compared with
            theirs; None where its embedding is.
    """

    scorer: CandidateScorer
    shorter: Vectors | None = None


@dataclass(frozen=True)
class Catalogue:
    """What a build has made of its photos.

    Attributes:
        vectors: Float16 (n, d), each of length 1.
        owners: The number of each photo's item (n,).
        colours: Uint8 (n, 256).
        printed: Their local features, if any photo has some.
        raw: The network's own vectors (n, k), of any length, where `vectors` are shortened ones.
    """

    vectors: NDArray[np.float16]
    owners: Rows
    colours: NDArray[np.uint8]
    printed: LocalFeatureStore | None
    raw: Vectors | None = None

    def fit_on(self, teaching: NDArray[np.bool_]) -> FittedScorer:
        """All photos, seen by what those of `teaching`, bool (n,), teach.

        Where the photos are shortened, another projection is learned, if there are any others;
        also where the catalogue's own was kept from a build before, of most of the same photos.
        """
        if self.raw is None or teaching.all() or not teaching.any():  # as the device does
            learned = wccn.fit(self._stored[teaching], self.owners[teaching])
            return FittedScorer(self._scorers(self.vectors, self._index, learned))
        rows = projection.sampled(np.flatnonzero(teaching))
        shorter = projection.learn(normalised(self.raw[rows]))
        vectors = np.empty((len(self.raw), shorter.shape[1]), np.float16)
        for at in range(0, len(vectors), AT_ONCE):
            some = slice(at, at + AT_ONCE)
            vectors[some] = normalised(normalised(self.raw[some]) @ shorter)
        stored = vectors.astype(np.float32)
        learned = wccn.fit(stored[teaching], self.owners[teaching])
        return FittedScorer(self._scorers(vectors, Exact(stored), learned), shorter)

    def _scorers(
        self, vectors: NDArray[np.float16], index: Exact, learned: Vectors | None
    ) -> CandidateScorer:
        return CandidateScorer(vectors, index, self.owners, self.colours, self.printed, learned)

    @cached_property
    def _stored(self) -> Vectors:
        return self.vectors.astype(np.float32)

    @cached_property
    def _index(self) -> Exact:
        return Exact(self._stored)
