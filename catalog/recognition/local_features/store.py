"""All photos' local features, ordered so that a look's features find their like quickly.

::

    printed/codes.npy    int8 (n, 32): every feature's code, those of one word together
    printed/places.npy   uint8 (n, 4): where it is in its photo
    printed/photos.npy   int32 (n,): its photo's number
    printed/words.npy    int64 (k * k + 1,): where each word begins
    printed/rows.npy     int32 (n,): the features photo by photo, the strongest first
    printed/begins.npy   int64 (photos + 1,): where each photo begins in `rows`

A feature's word is the pair of the centres nearest to its code's two halves (an inverted
multi-index, Babenko and Lempitsky 2012). Files are mapped: only what is asked for is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.arrays import read
from catalog.core.errors import BundleError
from catalog.core.vectors import Rows
from catalog.recognition.local_features.extract import DIMENSIONS, SCALE, LocalFeatures, basis

FOLDER = "printed"
FILES = tuple(
    f"{FOLDER}/{name}.npy" for name in ("codes", "places", "photos", "words", "rows", "begins")
)
VOTERS = 200  # of a look's features, the strongest
PROBES = 3  # centres of each half that are looked at, so nine words
NEAREST = 5  # features that one feature of a look votes for
AT_ONCE = 100_000  # features whose words are found at a time

Votes = NDArray[np.float32]


class LocalFeatureStore:
    """The local features of an open bundle's photos."""

    def __init__(self, folder: Path, photos: int) -> None:
        here = folder / FOLDER
        words = basis().words.shape[1] ** 2 + 1
        self.codes: NDArray[np.int8] = read(here / "codes.npy", np.int8, (None, DIMENSIONS))
        count = len(self.codes)
        self._places: NDArray[np.uint8] = read(here / "places.npy", np.uint8, (count, 4))
        self._photos: NDArray[np.int32] = read(here / "photos.npy", np.int32, (count,))
        self._words = np.array(read(here / "words.npy", np.int64, (words,)))
        self._rows: NDArray[np.int32] = read(here / "rows.npy", np.int32, (count,))
        self._begins = np.array(read(here / "begins.npy", np.int64, (photos + 1,)))
        if not self._words[-1] == self._begins[-1] == count:
            raise BundleError(f"{folder / FOLDER}: its arrays do not fit each other")

    def __len__(self) -> int:
        return len(self.codes)

    def check(self) -> None:
        """Read everything once.

        Raises:
            BundleError: An array names what does not exist.
        """
        count, photos = len(self.codes), len(self._begins) - 1
        sound = (
            (np.diff(self._words) >= 0).all()
            and (np.diff(self._begins) >= 0).all()
            and self._words[0] == self._begins[0] == 0
            and (0 <= self._photos.min(initial=0) <= self._photos.max(initial=0) < photos)
            and np.array_equal(np.sort(self._rows), np.arange(count))
        )
        if not sound:
            raise BundleError("the bundle's local features name what does not exist")

    def local_features(self, photo: int) -> LocalFeatures:
        """The local features of one photo."""
        rows = self._rows[self._begins[photo] : self._begins[photo + 1]]
        return LocalFeatures(self.codes[rows], self._places[rows])

    def votes(
        self, look: LocalFeatures, owners: Rows, without: NDArray[np.bool_] | None = None
    ) -> tuple[Votes, Votes]:
        """What a look's features vote for, by item and by photo.

        Each votes for the photos of the features most like it, by how much more alike they
        are than those that come after (local naive Bayes, McCann and Lowe 2012).

        Args:
            look: The look's features.
            owners: The number of each photo's item.
            without: Photos that are left out, bool (photos,).

        Returns:
            Float32 (items,) and float32 (photos,).
        """
        items, photos = int(owners.max()) + 1, len(owners)
        voters = look.vectors[:VOTERS]
        found, alike, voter = [], [], []
        for number, (code, words) in enumerate(zip(voters, _words_near(voters), strict=True)):
            slices = [slice(*self._words[word : word + 2]) for word in words]
            of = np.concatenate([self._photos[one] for one in slices])
            similarities = np.concatenate([self.codes[one] for one in slices]) @ code
            if without is not None:
                kept = ~without[of]
                of, similarities = of[kept], similarities[kept]
            if len(of) < 2:
                continue
            if len(of) > NEAREST:
                kept = np.argpartition(-similarities, NEAREST)[: NEAREST + 1]
                of, similarities = of[kept], similarities[kept]
            order = np.argsort(-similarities, kind="stable")
            found.append(of[order[:-1]])
            alike.append(similarities[order[:-1]] - similarities[order[-1]])
            voter.append(np.full(len(order) - 1, number))
        if not found:
            return np.zeros(items, np.float32), np.zeros(photos, np.float32)
        photo, weight, by = np.concatenate(found), np.concatenate(alike), np.concatenate(voter)
        return (
            _counted(owners[photo], weight, by, items),
            _counted(photo.astype(np.int64), weight, by, photos),
        )


class LocalFeatureWriter:
    """Writes the files of a bundle's photos below a folder.

    Photos' features wait on disk for their order: those of 100,000 photos are a gigabyte.
    """

    def __init__(self, folder: Path) -> None:
        self._here = folder / FOLDER
        self._here.mkdir()
        self._loose = (self._here / "loose").open("wb")
        self._counts: list[int] = []

    def add(self, description: LocalFeatures) -> None:
        """Take the next photo's features."""
        self._loose.write(description.to_bytes())
        self._counts.append(len(description))

    def finish(self) -> int:
        """Write the files; returns how many features there are."""
        self._loose.close()
        path, count = Path(self._loose.name), sum(self._counts)
        width = DIMENSIONS + 4
        loose = np.zeros((0, width), np.uint8)
        if count:
            loose = np.memmap(path, np.uint8, "r", shape=(count, width))
        words = np.empty(count, np.int32)
        for at in range(0, count, AT_ONCE):
            part = loose[at : at + AT_ONCE]
            words[at : at + AT_ONCE] = _word(LocalFeatures.from_bytes(part.tobytes()).codes)
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
            part = loose[order[at : at + AT_ONCE]]
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
        array: np.memmap[Any, Any] = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            path, "w+", kind, (count, width)
        )
        return array


def _words_near(codes: NDArray[np.float32]) -> Rows:
    """The words (n, 9) around each code, unit float32 (n, 32)."""
    one, other = (
        np.argpartition(distances, PROBES, 1)[:, :PROBES] for distances in _distances(codes)
    )
    size = basis().words.shape[1]
    pairs = one[:, :, None].astype(np.int64) * size + other[:, None, :]
    return pairs.reshape(len(codes), PROBES * PROBES)


def _word(codes: NDArray[np.int8]) -> Rows:
    one, other = (
        distances.argmin(1).astype(np.int64)
        for distances in _distances(codes.astype(np.float32) / SCALE)
    )
    return np.asarray(one * basis().words.shape[1] + other)


def _distances(codes: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """How far each code's halves are from the centres, up to a constant for each code."""
    centres = basis().words / SCALE
    return [
        np.square(words).sum(1) - 2 * half @ words.T
        for half, words in zip(np.hsplit(codes, 2), centres, strict=True)
    ]


def _counted(what: Rows, weight: Votes, by: Rows, count: int) -> Votes:
    """Sums of weights, one voter counting once for one thing: by its best."""
    _, first = np.unique(by * count + what, return_index=True)
    return np.bincount(what[first], weight[first], count).astype(np.float32)
