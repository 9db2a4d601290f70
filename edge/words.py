"""Sentences of the device that the page can say in its visitor's language."""

from __future__ import annotations

from typing import LiteralString


class Words(str):
    """An English sentence with values in it: whoever needs a text has one.

    The English sentence is the key of its translations: `python -m tests.support.sentences` finds
    it where it is written, so it must be a literal.

    Attributes:
        sentence: The sentence with {names}.
        values: What stands in place of each name; other words, or a text that stays as it is.
    """

    __slots__ = ("sentence", "values")

    sentence: str
    values: dict[str, str]

    def __new__(cls, sentence: LiteralString, **values: object) -> Words:
        """Fill the sentence's names."""
        texts = {
            name: value if isinstance(value, str) else str(value) for name, value in values.items()
        }
        words = super().__new__(cls, sentence.format(**texts))
        words.sentence, words.values = sentence, texts
        return words

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str]]:
        """What a copy is made of: `dataclasses.asdict` copies texts, too."""
        return (self.sentence,), self.values

    def document(self) -> dict[str, object]:
        """The sentence and its values, ready to be JSON."""
        return {
            "sentence": self.sentence,
            "values": {name: document_of(value) or value for name, value in self.values.items()},
        }


def document_of(text: str) -> dict[str, object] | None:
    """The sentence and the values of a text that is `Words`; None for another one."""
    return text.document() if isinstance(text, Words) else None


def words_of(error: BaseException) -> str:
    """What an error says; `Words` where it was made of them, which `str` would lose."""
    said = error.args[0] if error.args else None
    return said if isinstance(said, Words) else str(error)
