"""Read the codes on a thing at rest, else its words, to refine the first answer about it once."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from edge.sighting import Image, Timings
from edge.vision.images import sharpness
from edge.vision.looks import Looks
from edge.vision.picture_search import CodeReading, Observation, elapsed_ms, read_thing
from edge.vision.text_reading import TextReading, WordReading
from edge.vision.verdict import Decision


@dataclass(frozen=True)
class Refined:
    """What was read on a thing, once nothing more is to be read.

    Attributes:
        codes: What the codes on it say.
        words: The words on it; None where they were not read.
    """

    codes: CodeReading
    words: WordReading | None = None


class Refinement:
    """Reads on one thing at rest, a step a frame.

    Codes are read in the frame after the first answer, so that it does not wait for them. If no
    code names an item, the words are read on another thread.

    Args:
        answer: The first answer about the thing.
        text: Reads the words.
        foreign_share: As in `Bundle.identify`.

    Attributes:
        answer: The first answer, with what reading the codes took.
    """

    def __init__(self, answer: Observation, text: TextReading, foreign_share: float | None) -> None:
        self.answer = answer
        self._text = text
        self._foreign_share = foreign_share
        self._codes = CodeReading()
        self._words: Future[WordReading] | None = None

    @property
    def reads_words(self) -> bool:
        """Whether another thread reads the words."""
        return self._words is not None

    def step(
        self, looks: Looks, image: Image, box: Box, decision: Decision, timings: Timings
    ) -> tuple[Refined | None, Timings]:
        """Read on.

        Args:
            looks: What was seen of the thing.
            image: The frame, BGR uint8 (h, w, 3).
            box: Where the thing lies in it.
            decision: The decision that holds now.
            timings: What the frame took until now.

        Returns:
            What was read, None where that is not complete; and the timings with this step's.
        """
        if self._words is not None:
            if not self._words.done():
                return None, timings
            words = self._words.result()
            return Refined(self._codes, words), replace(timings, text=words.ms)
        bundle = self.answer.bundle
        start = time.perf_counter()
        looks.images.append(box.cut(image))
        self._codes = read_thing(bundle, looks.images)
        if bundle.may_have_codes:
            timings = replace(timings, code=elapsed_ms(start))
        if self._codes.match is not None or not wants_words(self._text, bundle, decision):
            return Refined(self._codes), timings
        sharpest = max(looks.images, key=sharpness)
        self._words = self._text.start(bundle, self.answer.found, sharpest, self._foreign_share)
        self.answer = replace(self.answer, timings=self.answer.timings + timings)
        return None, timings


def wants_words(text: TextReading, bundle: Bundle, decision: Decision) -> bool:
    """Whether the words on a thing should be read after this decision about it."""
    return text.wanted(decision, some_without_photo=bundle.items.some_without_photo)
