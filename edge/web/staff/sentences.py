"""Write a message as a sentence."""

from __future__ import annotations


def sentence(message: str) -> str:
    """A message with a capital letter and a full stop."""
    text = message.rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
