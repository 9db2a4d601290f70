"""A line of text that was read in a picture, and how surely."""

from __future__ import annotations

from typing import Self


class ReadLine(str):
    """A line of text.

    Attributes:
        score: The mean probability of its characters, 0 to 1. A plain string counts as surely read.
    """

    __slots__ = ("score",)
    score: float

    def __new__(cls, text: str, score: float = 1.0) -> Self:
        """Make a line of its text and score."""
        line = super().__new__(cls, text)
        line.score = score
        return line


def score_of(line: str) -> float:
    """Return how surely a line was read."""
    return line.score if isinstance(line, ReadLine) else 1.0
