"""A catalogue as it would be seen by what had learned nothing of some of its items.

A projection and a metric fit the photos that they were learned from; a new photo finds both as
strangers. So the looks at an item are judged by those that the others taught (cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog import metric, projection
from catalog.evidence import Witnesses
from catalog.featurizer import normalised
from catalog.index import Exact, Rows, Vectors
from catalog.printed.store import Printed
from catalog.projection import Projection

FOLDS = 4
AT_ONCE = 8192  # photos whose vectors are shortened at a time


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
    printed: Printed | None
    raw: Vectors | None = None

    def witnesses(self) -> Witnesses:
        """All photos, and what tells the items apart where that can be learned."""
        return self._asked(self.vectors, np.ones(len(self.owners), bool))

    def without(self, fold: int) -> tuple[Witnesses, Projection | None]:
        """All photos, seen by what the items outside a fold teach.

        Returns:
            The photos, and what shortens a look's own vector to one of theirs, if they are
            shortened.
        """
        teaching = self.owners % FOLDS != fold
        if self.raw is None or not teaching.any():
            return self._asked(self.vectors, teaching), None
        rows = projection.sampled(np.flatnonzero(teaching))
        shorter = projection.fit(normalised(self.raw[rows]), "")
        vectors = np.empty((len(self.raw), shorter.dimensions), np.float16)
        for at in range(0, len(vectors), AT_ONCE):
            some = slice(at, at + AT_ONCE)
            vectors[some] = normalised(shorter.apply(normalised(self.raw[some])))
        return self._asked(vectors, teaching), shorter

    def _asked(self, vectors: NDArray[np.float16], teaching: NDArray[np.bool_]) -> Witnesses:
        stored = vectors.astype(np.float32)
        learned = metric.learn(stored[teaching], self.owners[teaching])
        return Witnesses(vectors, Exact(stored), self.owners, self.colours, self.printed, learned)
