"""Read the words on a thing, when that may make the answer surer."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from catalog.networks.text_reader import Reader, open_reader
from catalog.recognition.words import reading_may_help
from edge.sighting import Image
from edge.vision.verdict import Decision

ReadText = Literal["off", "when unsure", "always"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WordReading:
    """What reading the words on a thing gave.

    Attributes:
        lines: The lines of text.
        found: The items found by sight and words, the likeliest first.
        ms: How long it took, in milliseconds.
    """

    lines: tuple[str, ...]
    found: tuple[Match, ...]
    ms: float


class TextReading:
    """Reads text on a thread of its own, so that it delays no frame.

    Args:
        when: When to read.
        reader: Reads text; None where nothing can.
    """

    def __init__(self, when: ReadText = "off", reader: Reader | None = None) -> None:
        self._when: ReadText = when if reader is not None else "off"
        self._reader = reader
        self._threads = ThreadPoolExecutor(1, "text") if self._when != "off" else None
        self._is_warm = False

    @classmethod
    def open(cls, when: ReadText) -> TextReading:
        """Open the reader, where the extra `text` is installed and reading is not off."""
        return cls(when, None if when == "off" else open_reader())

    def wanted(self, decision: Decision, *, some_without_photo: bool = False) -> bool:
        """Whether the words on a thing should be read, after this decision about it.

        Args:
            decision: The decision.
            some_without_photo: Whether the catalogue has items without a photo; then sight alone
                is never sure, because it takes such an item for another.
        """
        if self._when != "when unsure" or some_without_photo:
            return self._when != "off"
        first = decision.matches[0].confidence if decision.matches else None
        return reading_may_help(decision.verdict, first or 0.0)

    def read(
        self,
        bundle: Bundle,
        found: Sequence[Match],
        image: Image,
        foreign_share: float | None = None,
    ) -> WordReading:
        """Read the words on a thing and weigh them; where that fails, nothing is changed.

        Args:
            bundle: The bundle.
            found: The items found by sight, the likeliest first.
            image: The thing, BGR uint8 (h, w, 3).
            foreign_share: The share of foreign things that the items' confidence holds for; by
                default the one that the calibration is stated for.
        """
        start = time.perf_counter()
        lines: tuple[str, ...] = ()
        weighed = list(found)
        try:
            if self._reader is not None:
                lines = self._reader.read(image)
                weighed = bundle.weigh_words(found, lines, foreign_share)
        except Exception:  # a failure of the library must not end the recognition
            log.exception("the words on the thing could not be read")
        return WordReading(lines, tuple(weighed), (time.perf_counter() - start) * 1000)

    def warm_up(self) -> None:
        """Load the library once, while nothing goes on: that takes half a second of the processor.

        So the first thing is read no later than others.
        """
        if self._threads is not None and self._reader is not None and not self._is_warm:
            self._is_warm = True
            self._threads.submit(self._reader.read, np.zeros((32, 32, 3), np.uint8))

    def start(
        self,
        bundle: Bundle,
        found: Sequence[Match],
        image: Image,
        foreign_share: float | None = None,
    ) -> Future[WordReading]:
        """Begin to read, as `read` does."""
        assert self._threads is not None, "reading is off"
        return self._threads.submit(self.read, bundle, found, image, foreign_share)

    def close(self) -> None:
        """Let go of the thread."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


NO_READING = TextReading()
