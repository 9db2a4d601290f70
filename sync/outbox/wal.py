"""Read SQLite's write-ahead log, also behind a flipped bit.

SQLite takes the first frame with a wrong checksum for the end of the log, because it looks like a
transaction that a power cut interrupted. So one flipped bit silently undoes every transaction from
there on. The checksum is linear: it tells a flipped bit from an unfinished transaction, and most
often which bit it is.

::

    header    magic, version, page size, number, salt 1, salt 2; checksum 1, checksum 2
    frame     page number, pages of the database after a commit or 0; salt 1, salt 2;
              checksum 1, checksum 2; the page

All are numbers of 32 bits. A frame's checksum covers its first two numbers and its page, and
continues the one before it (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER, FRAME_HEADER, PAGE = 32, 24, 4096  # bytes
FRAME = FRAME_HEADER + PAGE
PAIRS = (8 + PAGE) // 8  # of words that a frame's checksum covers
MAGIC, VERSION = 0x377F0682, 3007000  # the magic's last bit: the checksum reads big-endian words
STALE_COMMITS = 1  # that a killed process may leave behind the end of the log

Words = NDArray[np.uint32]  # sums and products wrap around at 32 bits, as the checksum's do


@dataclass(frozen=True)
class WriteAheadLog:
    """What a log holds.

    Attributes:
        pages: The newest committed content of each page, by its number, from 1.
        is_damaged: Whether SQLite would leave out committed transactions.
    """

    pages: dict[int, bytes]
    is_damaged: bool


def read_log(database: Path) -> WriteAheadLog:
    """Read the log of a database, as it was before bits flipped; empty where there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = bytearray(database.with_name(f"{database.name}-wal").read_bytes())
    except FileNotFoundError:
        return WriteAheadLog({}, is_damaged=False)
    header = _sound_header(data)
    if header is None:
        return WriteAheadLog({}, is_damaged=False)
    flipped = header != data[:HEADER]
    data[:HEADER] = header
    frames = _Frames(data)
    sound = frames.mend()
    behind = [place for place in frames.commits if place >= sound]
    is_cut = len(behind) > STALE_COMMITS
    commits = behind if is_cut else [place for place in frames.commits if place < sound]
    last = commits[-1] if commits else -1
    pages = {frames.page_number(place): frames.page(place) for place in frames.own if place <= last}
    return WriteAheadLog(pages, is_damaged=flipped or frames.flipped or is_cut)


def _sound_header(data: bytearray) -> bytearray | None:
    """The header, with a flipped bit mended; None for a log that was never begun."""
    header = data[:HEADER]
    if len(header) < HEADER or _is_header(header):
        return header if len(header) == HEADER else None
    salts = data[HEADER + 8 : HEADER + 16]  # of the first frame
    for bit in range(8 * HEADER):
        changed = bytearray(header)
        changed[bit // 8] ^= 1 << bit % 8
        if _is_header(changed) and changed[16:24] == salts:
            return changed
    return None


def _is_header(header: bytearray) -> bool:
    magic, version, page = struct.unpack_from(">3I", header)
    if magic & ~1 != MAGIC or version != VERSION or page != PAGE:
        return False
    first = second = 0
    words = struct.unpack_from(">6I" if magic & 1 else "<6I", header)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack_from(">2I", header, 24)


class _Frames:
    """The frames of a log with a sound header.

    Attributes:
        flipped: Whether `mend` has found a flipped bit.
        own: The places, from 0, of the frames that belong to this log, not to one that it
            overwrites.
        commits: The places of those that end a transaction.
    """

    def __init__(self, data: bytearray) -> None:
        self.flipped = False
        self._count = (len(data) - HEADER) // FRAME
        frames = np.frombuffer(data, np.uint8, self._count * FRAME, HEADER)
        self._frames = frames.reshape(self._count, FRAME)  # a view: to change it changes `data`
        self._salts = data[16:24]
        self._first = np.frombuffer(bytes(data[24:HEADER]), ">u4").astype(np.uint32)
        self._order = ">u4" if data[3] & 1 else "<u4"

    @property
    def own(self) -> list[int]:
        salts = np.frombuffer(self._salts, np.uint8)
        return [int(place) for place in np.flatnonzero((self._frames[:, 8:16] == salts).all(1))]

    @property
    def commits(self) -> list[int]:
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
        weights = _weights()
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
            bits = _flipped_bits(words, given - one)
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
def _weights() -> _Weights:
    """SQLite adds each pair of words so: ``s1 += first + s2``, then ``s2 += second + s1``."""
    step = np.array([[1, 1], [1, 2]], np.uint32)
    rest = np.eye(2, dtype=np.uint32)  # what the steps behind a word make of it
    of_words = []
    for _ in range(PAIRS):
        of_words += [rest[:, 1], rest.sum(1, dtype=np.uint32)]
        rest = rest @ step
    return _Weights(np.array(of_words[::-1]), rest)


def _flipped_bits(words: Words, missing: Words) -> list[tuple[int, int]]:
    """Each word and bit whose flip would bring `missing` into the checksum of `words`."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    brought = _weights().of_words[:, None, :] * bits[None, :, None]
    is_set = (words[:, None] & bits) != 0
    brought = np.where(is_set[:, :, None], -brought, brought)
    return [(int(word), int(bit)) for word, bit in np.argwhere((brought == missing).all(2))]


def _differing_bits(first: bytes, second: bytes | bytearray) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()
