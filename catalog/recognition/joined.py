"""A catalogue's photos and further ones, searched as if they were one catalogue's.

The further photos follow the catalogue's: where it has n, the first of them is row n. They are
few, so they are searched exactly and held in memory, and can change at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Rows, Vectors
from catalog.recognition.index import Exact, Index
from catalog.recognition.local_features.extract import DIMENSIONS, LocalFeatures, basis
from catalog.recognition.local_features.store import LocalFeatureStore

NO_FEATURES = LocalFeatures(np.empty((0, DIMENSIONS), np.int8), np.empty((0, 4), np.uint8))


class JoinedRows:
    """The rows of two arrays, one behind the other, without copying the first.

    Args:
        first, second: Arrays (n, d) and (m, d) of one type.
    """

    def __init__(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        count = len(self._first)
        in_second = rows >= count
        if not in_second.any():
            return self._first[rows]
        found = np.empty((len(rows), self._first.shape[1]), self._first.dtype)
        found[~in_second] = self._first[rows[~in_second]]
        found[in_second] = self._second[rows[in_second] - count]
        return found


class JoinedIndex:
    """Finds the nearest of a catalogue's vectors and of further ones.

    Args:
        first: The catalogue's index.
        count: How many vectors it holds.
        second: The further vectors (m, d), at least one.
    """

    def __init__(self, first: Index, count: int, second: NDArray[np.floating[Any]]) -> None:
        self._first, self._count = first, count
        self._second, self._most = Exact(second), len(second)

    def nearest(self, query: Vectors, count: int) -> tuple[Rows, Vectors]:
        """Return rows and cosines of the `count` vectors nearest to float32 (d,), best first."""
        rows, cosines = self._first.nearest(query, min(count, self._count))
        more, more_cosines = self._second.nearest(query, min(count, self._most))
        rows = np.concatenate([rows, more + self._count])
        cosines = np.concatenate([cosines, more_cosines])
        order = np.argsort(-cosines, kind="stable")[:count]
        return rows[order], cosines[order]


class JoinedStore(LocalFeatureStore):
    """The local features of a catalogue's photos and of further ones.

    Args:
        first: The catalogue's.
        count: How many photos it has.
        second: Those of the further photos.
    """

    def __init__(
        self, first: LocalFeatureStore, count: int, second: Sequence[LocalFeatures]
    ) -> None:
        self._first, self._count, self._second = first, count, second
        codes = np.concatenate(
            [np.empty((0, DIMENSIONS), np.int8), *(features.codes for features in second)]
        )
        lengths = [len(features) for features in second]
        photos = np.repeat(np.arange(count, count + len(second), dtype=np.int32), lengths)
        words = np.concatenate([np.empty(0, np.int64), *(features.words for features in second)])
        order = np.argsort(words, kind="stable")
        self.codes, self.photos = codes[order], photos[order]
        size = basis().words.shape[1] ** 2
        self.word_bounds = np.append(0, np.bincount(words, minlength=size).cumsum())

    def __len__(self) -> int:
        return len(self._first) + len(self.codes)

    def local_features(self, photo: int) -> LocalFeatures:
        """Return the local features of a photo."""
        if photo < self._count:
            return self._first.local_features(photo)
        return self._second[photo - self._count]

    def _parts(self, words: Rows) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int8]]]:
        """Return the parts of both, those of the catalogue first."""
        photos, codes = self._first._parts(words)
        more_photos, more_codes = super()._parts(words)
        return photos + more_photos, codes + more_codes
