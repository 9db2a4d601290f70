"""Messages to and from AWS IoT's shadows and jobs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

MAX_BYTES = 64_000  # of a message that comes in; AWS's documents have at most 32,768
ANSWER_TIMEOUT_S = 20.0
MAX_SENTENCE = 1000  # characters; AWS takes 1,024 in the details of a job


def as_json(document: Mapping[str, Any]) -> bytes:
    """A document as it is sent."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def one_sentence(text: str, most: int = MAX_SENTENCE) -> str:
    """A text in one line of printable letters, not empty, and cut after `most` of them."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split()) or "-"
    return line if len(line) <= most else line[: most - 1] + "…"


class Question:
    """A message that is answered on another topic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._token = ""
        self._until = 0.0

    def ask(self) -> str:
        """Begin to wait for an answer; returns the token that it will have."""
        self._token, self._until = secrets.token_hex(8), self._clock() + ANSWER_TIMEOUT_S
        return self._token

    def is_answered_by(self, token: str) -> bool:
        """Whether a token is that of the question that waits; ends the wait if so."""
        answered = bool(token) and token == self._token
        if answered:
            self._token = ""
        return answered

    def is_overdue(self) -> bool:
        """Whether no answer came in time; ends the wait if so."""
        overdue = bool(self._token) and self._clock() >= self._until
        if overdue:
            self._token = ""
        return overdue

    def forget(self) -> None:
        """Wait no longer."""
        self._token = ""

    @property
    def waits(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._token)
