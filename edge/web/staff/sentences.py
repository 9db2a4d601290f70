"""Write a message as a sentence."""

from __future__ import annotations

from catalog.core.documents import with_documents
from edge.words import Words, words_of


def sentence(message: str) -> str:
    """A message with a capital letter and a full stop."""
    text = with_documents(message).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def sentence_of(error: Exception) -> str:
    """What an error says, as a sentence; `Words` as they are, for whoever shows them ends them."""
    said = words_of(error)
    return said if isinstance(said, Words) else sentence(said)
