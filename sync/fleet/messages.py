"""Messages to and from AWS IoT's shadows and jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_BYTES = 64_000  # of a message that comes in; AWS's documents have at most 32,768
MAX_SENTENCE = 1000  # characters; AWS takes 1,024 in the details of a job


def as_json(document: Mapping[str, Any]) -> bytes:
    """A document as it is sent."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def one_sentence(text: str, most: int = MAX_SENTENCE) -> str:
    """A text in one line of printable letters, not empty, and cut after `most` of them."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split()) or "-"
    return line if len(line) <= most else line[: most - 1] + "…"
