"""Store all photos' local features so that those similar to a query's are found quickly.

::

    printed/codes.npy    int8 (n, 32): the code of every feature, ordered by word
    printed/places.npy   uint8 (n, 4): its place in its photo
    printed/photos.npy   int32 (n,): its photo's number
    printed/words.npy    int64 (k * k + 1,): where each word begins
    printed/rows.npy     int32 (n,): the features ordered by photo, the strongest first
    printed/begins.npy   int64 (photos + 1,): where each photo begins in `rows`

A feature's word is the pair of centres nearest to the two halves of its code (an inverted
multi-index, Babenko and Lempitsky 2012). The files are mapped: only what is used is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.arrays import read
from catalog.core.errors import BundleError
from catalog.core.vectors import Rows
from catalog.recognition.local_features.extract import (
    DIMENSIONS,
    LocalFeatures,
    basis,
    distances,
    words_of,
)

FOLDER = "printed"
FILES = tuple(
    f"{FOLDER}/{name}.npy" for name in ("codes", "places", "photos", "words", "rows", "begins")
)
VOTERS = 200  # of a query's features, the strongest
PROBES = 3  # nearest centres of each half that are searched, so nine words
NEAREST = 5  # stored features that one feature of a query votes for
AT_ONCE = 100_000  # features that are ordered at a time
# Features whose words are found at a time; more do not fit into a core's cache.
WORDS_AT_ONCE = 4096

Votes = NDArray[np.float32]


@dataclass(frozen=True)
class PhotoVotes:
    """Votes of local features for photos.

    Attributes:
        photos: The photo of each vote, int32 (n,).
        weights: How much it weighs, float32 (n,); of the votes of one feature the heaviest first.
        voters: The number of the feature that votes, int64 (n,).
    """

    photos: NDArray[np.int32]
    weights: Votes
    voters: Rows

    def summed(self, owners: Rows) -> tuple[Votes, Votes]:
        """Return their sums by item, float32 (items,), and by photo, float32 (photos,)."""
        items, photos = int(owners.max()) + 1, len(owners)
        return (
            self._sums(owners[self.photos], items),
            self._sums(self.photos.astype(np.int64), photos),
        )

    def _sums(self, target: Rows, count: int) -> Votes:
        """Sum the weights for each target; of a feature's votes for one the heaviest counts."""
        _, first = np.unique(self.voters * count + target, return_index=True)
        return np.bincount(target[first], self.weights[first], count).astype(np.float32)


class LocalFeatureStore:
    """The local features of an open bundle's photos.

    Attributes:
        codes: The code of every feature, int8 (n, 32), ordered by word.
        photos: The photo of each, int32 (n,).
        word_bounds: Where each word begins, and the last one ends, int64 (words + 1,).
    """

    def __init__(self, folder: Path, photos: int) -> None:
        here = folder / FOLDER
        words = basis().words.shape[1] ** 2 + 1
        self.codes: NDArray[np.int8] = read(here / "codes.npy", np.int8, (None, DIMENSIONS))
        count = len(self.codes)
        self._places: NDArray[np.uint8] = read(here / "places.npy", np.uint8, (count, 4))
        self.photos: NDArray[np.int32] = read(here / "photos.npy", np.int32, (count,))
        self.word_bounds = np.array(read(here / "words.npy", np.int64, (words,)))
        self._rows: NDArray[np.int32] = read(here / "rows.npy", np.int32, (count,))
        self._begins = np.array(read(here / "begins.npy", np.int64, (photos + 1,)))
        if not self.word_bounds[-1] == self._begins[-1] == count:
            raise BundleError(f"{folder / FOLDER}: its arrays do not fit each other")

    def __len__(self) -> int:
        return len(self.codes)

    def check(self) -> None:
        """Check that the arrays fit each other, which reads them once.

        Raises:
            BundleError: An array names what does not exist.
        """
        count, photos = len(self.codes), len(self._begins) - 1
        sound = (
            (np.diff(self.word_bounds) >= 0).all()
            and (np.diff(self._begins) >= 0).all()
            and self.word_bounds[0] == self._begins[0] == 0
            and (0 <= self.photos.min(initial=0) <= self.photos.max(initial=0) < photos)
            and np.array_equal(np.sort(self._rows), np.arange(count))
        )
        if not sound:
            raise BundleError("the bundle's local features name what does not exist")

    def local_features(self, photo: int) -> LocalFeatures:
        """Return the local features of a photo."""
        rows = self._rows_of(photo)
        return LocalFeatures(self.codes[rows], self._places[rows])

    def words_of_photo(self, photo: int) -> Rows:
        """Return the word (n,) of each local feature of a photo."""
        return np.searchsorted(self.word_bounds, self._rows_of(photo), "right") - 1

    @property
    def words(self) -> int:
        """Return how many words there are."""
        return len(self.word_bounds) - 1

    def _rows_of(self, photo: int) -> NDArray[np.int32]:
        return self._rows[self._begins[photo] : self._begins[photo + 1]]

    def _stored_under(self, words: Rows) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Return the features stored under some words (n,): their photos, and their codes."""
        photos, codes = self._parts(words)
        if not photos:
            return np.empty(0, np.int32), np.empty((0, DIMENSIONS), np.int8)
        return np.concatenate(photos), np.concatenate(codes)

    def _parts(self, words: Rows) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int8]]]:
        """Return the photos and the codes of the features stored under each word that has some."""
        begins, ends = self.word_bounds[words].tolist(), self.word_bounds[words + 1].tolist()
        bounds = [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]
        return (
            [self.photos[begin:end] for begin, end in bounds],
            [self.codes[begin:end] for begin, end in bounds],
        )

    def votes(
        self, query: LocalFeatures, owners: Rows, excluded: NDArray[np.bool_] | None = None
    ) -> tuple[Votes, Votes]:
        """Return the votes of a query's features, by item and by photo.

        Each feature votes for the photos of the stored features most similar to it. A vote weighs
        by how much more similar that feature is than the next one after those (local naive Bayes,
        McCann and Lowe 2012).

        Args:
            query: The query's features.
            owners: The item number of each photo, int64 (photos,).
            excluded: Photos to treat as absent, bool (photos,).

        Returns:
            Float32 (items,) and float32 (photos,).
        """
        voters = query.vectors[:VOTERS]
        return self.votes_of(voters, nearest_words(voters), excluded).summed(owners)

    def votes_of(
        self, voters: NDArray[np.float32], words: Rows, excluded: NDArray[np.bool_] | None = None
    ) -> PhotoVotes:
        """Return the votes of features for photos.

        Args:
            voters: The codes of the features, float32 (v, 32).
            words: The words in which each is looked for, int64 (v, 9).
            excluded: Photos to treat as absent, bool (photos,).
        """
        photos, weights, numbers = [], [], []
        for number, (code, near) in enumerate(zip(voters, words, strict=True)):
            found, codes = self._stored_under(near)
            similarities = codes @ code
            if excluded is not None:
                present = ~excluded[found]
                found, similarities = found[present], similarities[present]
            if len(found) < 2:
                continue
            if len(found) > NEAREST:
                nearest = np.argpartition(-similarities, NEAREST)[: NEAREST + 1]
                found, similarities = found[nearest], similarities[nearest]
            order = np.argsort(-similarities, kind="stable")
            photos.append(found[order[:-1]])
            weights.append(similarities[order[:-1]] - similarities[order[-1]])
            numbers.append(np.full(len(order) - 1, number))
        return PhotoVotes(
            np.concatenate([np.empty(0, np.int32), *photos]),
            np.concatenate([np.empty(0, np.float32), *weights]),
            np.concatenate([np.empty(0, np.int64), *numbers]),
        )


class LocalFeatureWriter:
    """Writes the files of a `LocalFeatureStore` into a folder.

    The features are collected on disk before they are ordered, because those of 100,000 photos
    take a gigabyte.
    """

    def __init__(self, folder: Path) -> None:
        self._here = folder / FOLDER
        self._here.mkdir()
        self._unordered = (self._here / "loose").open("wb")
        self._counts: list[int] = []

    def add(self, features: LocalFeatures) -> None:
        """Add the features of the next photo."""
        self._unordered.write(features.to_bytes())
        self._counts.append(len(features))

    def finish(self, words: NDArray[np.int32] | None = None) -> int:
        """Write the files and return the number of features.

        Args:
            words: The words int32 (n,) of all features, where they are known. Another processor
                may find another word for a feature that lies between two.
        """
        self._unordered.close()
        path, count = Path(self._unordered.name), sum(self._counts)
        width = DIMENSIONS + 4
        unordered = np.zeros((0, width), np.uint8)
        if count:
            unordered = np.memmap(path, np.uint8, "r", shape=(count, width))
        if words is None:
            words = _find_words(unordered)
        order = np.argsort(words, kind="stable").astype(np.int32)
        photos = np.repeat(np.arange(len(self._counts), dtype=np.int32), self._counts)
        rows = np.empty(count, np.int32)
        rows[order] = np.arange(count, dtype=np.int32)
        size = basis().words.shape[1] ** 2
        self._save("photos", photos[order])
        self._save("rows", rows)
        self._save("words", np.append(0, np.bincount(words, minlength=size).cumsum()))
        self._save("begins", np.append(0, np.cumsum(self._counts, dtype=np.int64)))
        del photos, rows, words
        codes = self._mapped("codes", np.int8, count, DIMENSIONS)
        places = self._mapped("places", np.uint8, count, 4)
        for at in range(0, count, AT_ONCE):
            part = unordered[order[at : at + AT_ONCE]]
            ordered = LocalFeatures.from_bytes(part.tobytes())
            codes[at : at + AT_ONCE], places[at : at + AT_ONCE] = ordered.codes, ordered.places
        codes.flush()
        places.flush()
        path.unlink()
        return count

    def _save(self, name: str, array: NDArray[np.integer[Any]]) -> None:
        np.save(self._here / f"{name}.npy", array)

    def _mapped(self, name: str, kind: type, count: int, width: int) -> np.memmap[Any, Any]:
        path = self._here / f"{name}.npy"
        array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, "w+", kind, (count, width))
        with path.open("r+b") as file:  # where the disk is full, a write to mapped memory kills
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array


def _find_words(unordered: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the word of each feature, int32 (n,)."""
    words = np.empty(len(unordered), np.int32)
    for at in range(0, len(unordered), WORDS_AT_ONCE):
        part = unordered[at : at + WORDS_AT_ONCE]
        words[at : at + WORDS_AT_ONCE] = words_of(LocalFeatures.from_bytes(part.tobytes()).codes)
    return words


def nearest_words(codes: NDArray[np.float32]) -> Rows:
    """Return the words (n, 9) nearest to each code, float32 (n, 32) of length 1."""
    first, second = (np.argpartition(half, PROBES, 1)[:, :PROBES] for half in distances(codes))
    size = basis().words.shape[1]
    pairs = first[:, :, None].astype(np.int64) * size + second[:, None, :]
    return np.asarray(pairs.reshape(len(codes), PROBES * PROBES))
