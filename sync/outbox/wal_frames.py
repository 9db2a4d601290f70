"""The frames of SQLite's write-ahead log: check their checksums, and mend flipped bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

HEADER, FRAME_HEADER = 32, 24  # bytes
PAGE_SIZE = slice(8, 12)  # in the header

Words = NDArray[np.uint32]  # sums and products wrap around at 32 bits, as the checksum's do


class Frames:
    """The frames of a log with a sound header.

    Attributes:
        flipped: Whether `mend` has found a flipped bit.
        own: The places, from 0, of the frames that belong to this log, not to one that it
            overwrites.
        commits: The places of those that end a transaction.
    """

    def __init__(self, data: bytearray) -> None:
        self.flipped = False
        self._page = int.from_bytes(data[PAGE_SIZE], "big")  # bytes
        frame = FRAME_HEADER + self._page
        self._count = (len(data) - HEADER) // frame
        frames = np.frombuffer(data, np.uint8, self._count * frame, HEADER)
        self._frames = frames.reshape(self._count, frame)  # a view: to change it changes `data`
        self._salts = data[16:24]
        self._first = np.frombuffer(bytes(data[24:HEADER]), ">u4").astype(np.uint32)
        self._order = ">u4" if data[3] & 1 else "<u4"

    @property
    def own(self) -> list[int]:
        """See the class."""
        salts = np.frombuffer(self._salts, np.uint8)
        return [int(place) for place in np.flatnonzero((self._frames[:, 8:16] == salts).all(1))]

    @property
    def commits(self) -> list[int]:
        """See the class."""
        return [place for place in self.own if self._frames[place, 4:8].any()]

    def page_number(self, place: int) -> int:
        """The page's number."""
        return int.from_bytes(self._frames[place, :4].tobytes(), "big")

    def page(self, place: int) -> bytes:
        """The page."""
        return self._frames[place, FRAME_HEADER:].tobytes()

    def mend(self) -> int:
        """Check each frame and mend flipped bits; return how many come before one that is wrong.

        Where several bits would explain a checksum, the page stays as it is.
        """
        covered = np.concatenate([self._frames[:, :8], self._frames[:, FRAME_HEADER:]], axis=1)
        words = np.ascontiguousarray(covered).view(self._order).astype(np.uint32)
        weights = _weights(self._page)
        former = [self._first]  # the checksums that the next frame may continue
        for place in range(self._count):
            share = (words[place, :, None] * weights.of_words).sum(0, dtype=np.uint32)
            computed = [(weights.of_former * one).sum(1, dtype=np.uint32) + share for one in former]
            given = self._checksum(place)
            found = self._explained(place, words[place], computed, given)
            if found is None:
                return place
            former = found
        return self._count

    def _explained(
        self, place: int, words: Words, computed: list[Words], given: Words
    ) -> list[Words] | None:
        """The checksums that the next frame may continue; None where the frame is wrong."""
        is_own = _differing_bits(self._frames[place, 8:16].tobytes(), self._salts)
        if any((one == given).all() for one in computed) and is_own <= 1:
            if is_own == 1:
                self.flipped = True
                self._frames[place, 8:16] = np.frombuffer(self._salts, np.uint8)
            return [given]
        if is_own != 0:
            return None
        for one in computed:
            bits = self._flipped_bits(words, given - one)
            in_checksum = _differing_bits(one.tobytes(), given.tobytes()) == 1
            if bits or in_checksum:
                self.flipped = True
                if len(bits) == 1 and not in_checksum:
                    self._flip(place, *bits[0])
                return [given, one]
        return None

    def _flip(self, place: int, word: int, bit: int) -> None:
        byte = bit // 8 if self._order == "<u4" else 3 - bit // 8
        start = 4 * word if word < 2 else FRAME_HEADER + 4 * (word - 2)
        self._frames[place, start + byte] ^= np.uint8(1 << bit % 8)

    def _flipped_bits(self, words: Words, missing: Words) -> list[tuple[int, int]]:
        """Each word and bit whose flip would bring `missing` into the checksum of `words`."""
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        brought = _weights(self._page).of_words[:, None, :] * bits[None, :, None]
        is_set = (words[:, None] & bits) != 0
        brought = np.where(is_set[:, :, None], -brought, brought)
        return [(int(word), int(bit)) for word, bit in np.argwhere((brought == missing).all(2))]

    def _checksum(self, place: int) -> Words:
        return np.ascontiguousarray(self._frames[place, 16:24]).view(">u4").astype(np.uint32)


@dataclass(frozen=True)
class _Weights:
    """How a frame's checksum, two numbers, is made.

    Attributes:
        of_words: What each word counts for, (words, 2).
        of_former: What the checksum of the frame before counts for, (2, 2).
    """

    of_words: Words
    of_former: Words


@cache
def _weights(page: int) -> _Weights:
    """SQLite adds each pair of words so: ``s1 += first + s2``, then ``s2 += second + s1``."""
    step = np.array([[1, 1], [1, 2]], np.uint32)
    rest = np.eye(2, dtype=np.uint32)  # what the steps behind a word make of it
    of_words = []
    for _ in range((8 + page) // 8):  # pairs of words that a checksum covers
        of_words += [rest[:, 1], rest.sum(1, dtype=np.uint32)]
        rest = rest @ step
    return _Weights(np.array(of_words[::-1]), rest)


def _differing_bits(first: bytes, second: bytes | bytearray) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()
