"""Find copies: the same photo again, byte for byte, resized, compressed anew, or as a thumbnail.

A copy tells nothing new of a thing. Taken for another photo of it, it would make the catalogue
promise too much, because a photo is always found by its copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, decode
from catalog.core.vectors import Rows

SIDE = 16  # pixels of a fingerprint
ENOUGH = 64  # pixels: shorter side of the thumbnail that a fingerprint is made of
BRIGHTNESS = 2.0  # of 255, by which the mean of a copy may differ
COLOUR = 8.0  # of 255, by which its colours may differ, root mean square
COMPRESSED = 5.0  # of 255, by which the grey of a copy of the same size may differ anywhere
RESIZED = 0.13  # of the contrast, by which that of another size may differ, root mean square
LEAST_CONTRAST = 8.0  # of 255
AT_ONCE = 1000  # fingerprints that are compared at a time
GREY = np.array([0.114, 0.587, 0.299], np.float32)  # shares of blue, green and red


@dataclass(frozen=True)
class Fingerprint:
    """What a photo is compared by with others.

    Attributes:
        whole: The photo shrunk to uint8 (SIDE, SIDE, 3), BGR, as bytes.
        centre: The same of the square in its centre, as shops cut thumbnails; None where the
            photo is square.
        size: Its width and height in pixels.
    """

    whole: bytes
    centre: bytes | None
    size: tuple[int, int]


def fingerprint(thumbnail: bytes, size: tuple[int, int]) -> Fingerprint:
    """Return the fingerprint of a photo by its JPEG thumbnail, and its width and height."""
    picture = decode(thumbnail, "thumbnail", enough=ENOUGH)
    centre = None
    if size[0] != size[1]:
        height, width = picture.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        centre = _shrunk(picture[top : top + side, left : left + side])
    return Fingerprint(_shrunk(picture), centre, size)


def originals(photos: Sequence[Fingerprint]) -> Rows:
    """Return, for each photo, the number of the photo it is a copy of, int64 (n,); else its own.

    The original is the largest of the copies, the first of equally large ones. Each copy resembles
    its original itself, or one copy of it, so photos that change little by little are not one
    photo.
    """
    largest_first = np.argsort([-photo.size[0] * photo.size[1] for photo in photos], kind="stable")
    ordered = [photos[number] for number in largest_first.tolist()]
    # In parts first: thousands of frames of a film that all look alike become a few.
    parts = range(0, len(ordered), AT_ONCE)
    original = np.concatenate(
        [begin + _originals(ordered[begin : begin + AT_ONCE]) for begin in parts] or [largest_first]
    )
    left, place = np.unique(original, return_inverse=True)
    if len(parts) > 1:
        original = left[_originals([ordered[number] for number in left.tolist()])][place]
    found = np.empty_like(original)
    found[largest_first] = largest_first[original]
    return np.asarray(found)


def _originals(ordered: Sequence[Fingerprint]) -> Rows:
    """Return the same for photos that come with the largest first; it compares all with all."""
    # A placeholder may stand for thousands of things: what is equal is compared once.
    first: dict[bytes, int] = {}
    equal = np.array([first.setdefault(photo.whole, at) for at, photo in enumerate(ordered)], int)
    original = equal.copy()
    for at, larger in sorted(_similar(ordered, list(first.values())).items()):
        original[at] = min((other for other in larger if original[other] == other), default=at)
    return np.asarray(original[equal])


def are_copies(asked: Sequence[Fingerprint], stored: Sequence[Fingerprint]) -> NDArray[np.bool_]:
    """Return which of the asked photos are copies of a stored one, bool (n,)."""
    original = originals([*stored, *asked])
    return np.isin(original[len(stored) :], original[: len(stored)])


def _shrunk(picture: Picture) -> bytes:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).tobytes()


def _similar(photos: Sequence[Fingerprint], distinct: Sequence[int]) -> dict[int, set[int]]:
    """Map photos to those before them that show the same; only photos that have some."""
    similar: dict[int, set[int]] = {}
    if len(distinct) > 1:
        for one, other in _Squares(photos, distinct).pairs():
            similar.setdefault(max(one, other), set()).add(min(one, other))
    return similar


class _Squares:
    """The fingerprints of distinct photos, by brightness: of each its whole, and its centre."""

    def __init__(self, photos: Sequence[Fingerprint], distinct: Sequence[int]) -> None:
        squares = [
            (number, is_centre, square)
            for number in distinct
            for is_centre, square in enumerate((photos[number].whole, photos[number].centre))
            if square is not None
        ]
        brightness = np.array([_pictures(square).mean((0, 1, 2)) @ GREY for *_, square in squares])
        order = np.argsort(brightness)
        squares = [squares[place] for place in order.tolist()]
        self._brightness = brightness[order]
        self._photos = np.array([number for number, _, _ in squares])
        self._is_centre = np.array([is_centre for _, is_centre, _ in squares], bool)
        self._pictures = _pictures(b"".join([square for _, _, square in squares]))
        self._sizes = np.array([photo.size for photo in photos])[self._photos]
        self._is_square = self._sizes[:, 0] == self._sizes[:, 1]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the numbers of two photos that show the same, each pair once or twice."""
        for begin in range(0, len(self._photos), AT_ONCE):
            some = slice(begin, begin + AT_ONCE)
            brightest = self._brightness[some][-1] + BRIGHTNESS
            end = int(np.searchsorted(self._brightness, brightest, "right"))
            for at in range(begin, end, AT_ONCE):
                others = slice(at, min(at + AT_ONCE, end))
                for row, close in enumerate(self._close_colours(some, others), begin):
                    candidates = at + np.flatnonzero(close)
                    candidates = candidates[candidates > row]
                    if len(candidates):
                        for same in candidates[self._same(row, candidates)].tolist():
                            yield int(self._photos[row]), int(self._photos[same])

    def _close_colours(self, some: slice, others: slice) -> NDArray[np.bool_]:
        """Return which of some squares have colours close to which others', bool (n, m)."""
        left, right = (
            self._pictures[part].reshape(-1, SIDE * SIDE * 3).astype(np.float32) - 128
            for part in (some, others)
        )
        squared = np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T
        return np.asarray(squared <= COLOUR**2 * left.shape[1])

    def _same(self, row: int, others: Rows) -> NDArray[np.bool_]:
        """Return which of the others show the same as one square, bool (n,)."""
        one, grey = self._pictures[row] @ GREY, self._pictures[others] @ GREY
        differences = np.abs(grey - one)
        contrast = np.maximum(np.sqrt(one.std() * grey.std((1, 2))), LEAST_CONTRAST)
        resized = np.sqrt(np.square(differences).mean((1, 2))) <= RESIZED * contrast
        compressed = differences.max((1, 2)) <= COMPRESSED
        same_size = (self._sizes[others] == self._sizes[row]).all(1)
        # A centre is compared with photos that are square, and never with another centre.
        comparable = (
            self._is_square[others]
            if self._is_centre[row]
            else ~self._is_centre[others] | self._is_square[row]
        )
        return np.asarray(comparable & np.where(same_size, compressed, resized))


def _pictures(squares: bytes) -> NDArray[np.uint8]:
    """Unpack squares, uint8 (n, SIDE, SIDE, 3)."""
    return np.frombuffer(squares, np.uint8).reshape(-1, SIDE, SIDE, 3)
