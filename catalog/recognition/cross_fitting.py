"""Cross-fitting: score queries with a projection and a WCCN transform fitted without them.

Both fit the photos that they were fitted on better than a new query. So each calibration query is
scored by a projection and a transform that were fitted on other photos (cross-fitting, Stone
1974): a held-out item by those fitted on other items, an in-catalogue photo by those fitted on
photos outside its burst.
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

AT_ONCE = 8192  # photos whose vectors are projected at a time


@dataclass(frozen=True)
class FittedScorer:
    """A scorer over all photos whose projection and transform were fitted on some of them.

    Attributes:
        scorer: The scorer.
        projection: Float32 (k, d), which the network's own vector of a query is multiplied by to
            be compared with the photos; None where the query's embedding is compared as it is.
    """

    scorer: CandidateScorer
    projection: Vectors | None = None


@dataclass(frozen=True)
class PhotoVectors:
    """What a build computed of its n photos.

    Attributes:
        vectors: Float16 (n, d), each of length 1.
        owners: The item number of each photo, int64 (n,).
        colours: Uint8 (n, 256).
        store: Their local features, if any photo has some.
        raw: The network's own vectors (n, k), of any length, where `vectors` are projected ones.
    """

    vectors: NDArray[np.float16]
    owners: Rows
    colours: NDArray[np.uint8]
    store: LocalFeatureStore | None
    raw: Vectors | None = None

    def fit_on(self, photos: NDArray[np.bool_]) -> FittedScorer:
        """Return a scorer over all photos, fitted on those marked, bool (n,).

        Where vectors are projected, another projection is fitted, unless all photos or none are
        marked; also where the catalogue's own projection was taken over from an earlier build.
        """
        if self.raw is None or photos.all() or not photos.any():  # as on the device
            transform = wccn.fit(self._stored[photos], self.owners[photos])
            return FittedScorer(self._scorer(self.vectors, self._index, transform))
        rows = projection.sampled(np.flatnonzero(photos))
        matrix = projection.learn(normalised(self.raw[rows]))
        vectors = np.empty((len(self.raw), matrix.shape[1]), np.float16)
        for at in range(0, len(vectors), AT_ONCE):
            some = slice(at, at + AT_ONCE)
            vectors[some] = normalised(normalised(self.raw[some]) @ matrix)
        stored = vectors.astype(np.float32)
        transform = wccn.fit(stored[photos], self.owners[photos])
        return FittedScorer(self._scorer(vectors, Exact(stored), transform), matrix)

    def _scorer(
        self, vectors: NDArray[np.float16], index: Exact, transform: Vectors | None
    ) -> CandidateScorer:
        return CandidateScorer(vectors, index, self.owners, self.colours, self.store, transform)

    @cached_property
    def _stored(self) -> Vectors:
        return self.vectors.astype(np.float32)

    @cached_property
    def _index(self) -> Exact:
        return Exact(self._stored)
