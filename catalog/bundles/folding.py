"""Fold text, so that what people take for the same word becomes the same characters.

Case, width, ligatures, accents, Arabic and Hebrew marks, and katakana against hiragana make no
difference. A word with an umlaut has two spellings, as people type it: "muesli" and "musli".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

LONGEST_CODE = 40  # characters
LONGEST_KEPT = 32  # characters of a word that is kept for when it comes again
LONGEST_UNIT = 3  # letters of a unit that may follow its number: "300 ml" is "300ml", too

# Format characters, selectors of a glyph, the Arabic tatweel, and halves of characters.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u0640\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20e3\ufe00-\ufe0f"
    "\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]"
)
# Thai to Myanmar, Hangul, Khmer, Chinese and Japanese: words run together, or grow endings.
_RUN = "\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff"
_RUN += "\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
_PARTS = re.compile(f"[{_RUN}]+|[^{_RUN}]+")
_OF_A_RUN = re.compile(f"[{_RUN}]")
_LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")
_TRADE_MARKS = str.maketrans(dict.fromkeys("™℠®©", " "))
_JOINERS = frozenset("-‐‑‒–—−/.,'’`´·+&_:")  # noqa: RUF001
_CHUNK = re.compile("w+(?:jw+)*")

_TWO_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"}
)
_ONE_LETTER = str.maketrans(
    {
        **dict(zip("øłđðħıŧŋ", "olddhitn", strict=True)),
        **{"æ": "ae", "œ": "oe", "þ": "th", "×": "x"},  # noqa: RUF001
        **dict.fromkeys("ىیې", "ي"),
        **dict.fromkeys("ةہھە", "ه"),  # noqa: RUF001
        **{"ٱ": "ا", "ک": "ك"},  # noqa: RUF001
        **{chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)},  # katakana
    }
)


@dataclass(frozen=True)
class Word:
    """A word as it is typed, without spaces.

    Attributes:
        spellings: How it is spelled when its parts are joined: "AB-12" is "ab12". Empty where
            parts of different scripts meet.
        parts: The spellings of each of its parts, "ab" and "12"; empty where it has only one.
    """

    spellings: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...] = ()


def is_run(word: str) -> bool:
    """Return whether `word` is of a script that writes words without spaces between them."""
    return _OF_A_RUN.match(word) is not None


def words(text: str) -> list[Word]:
    """Return the words of `text`, in order."""
    every = (_word(chunk) for chunk in _chunks(text))
    return [word for word in every if word.spellings or word.parts]


def joined(code: Sequence[Word]) -> str:
    """Return the words of a code in one: "AB-12 34" is "ab1234".

    Returns "" for less than two words, words without a digit, and more than a code may have.
    """
    if len(code) < 2 or not all(word.spellings for word in code):
        return ""
    whole = "".join(word.spellings[0] for word in code)
    is_code = (
        len(whole) <= LONGEST_CODE
        and any(character.isdigit() for character in whole)
        and not _OF_A_RUN.search(whole)
    )
    return whole if is_code else ""


def forms(text: Sequence[Word]) -> Iterator[str]:
    """Yield every form under which the words of `text` are to be found, in their order.

    A number and the unit behind it are a word, too: "300 ml" is "300", "ml" and "300ml".
    """
    number = ""
    for word in text:
        yield from word.spellings
        for part in word.parts:
            yield from part
        first = word.spellings[0] if word.spellings else ""
        if number and first.isalpha() and len(first) <= LONGEST_UNIT:
            yield number + first
        number = first if first.isdecimal() else ""


def symbols(text: str) -> set[str]:
    """Return the characters of `text` that are neither of words nor spaces nor invisible."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return {
        unicodedata.normalize("NFKC", character) if character not in "™℠®©" else character
        for character in set(text)
        if unicodedata.category(character)[0] in "PSC" and unicodedata.category(character) != "Cc"
    }


def _chunks(text: str) -> Iterator[str]:
    text = unicodedata.normalize("NFKC", text.translate(_TRADE_MARKS)).casefold()
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).replace("×", "x")  # noqa: RUF001
    for chunk in _CHUNK.finditer("".join(map(_kind, text))):
        yield text[chunk.start() : chunk.end()]


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """Return what a character is to `_CHUNK`: of a word (w), a joiner (j), or neither."""
    if character.isalnum() or unicodedata.category(character)[0] == "M":
        return "w"
    return "j" if character in _JOINERS else " "


def _split(chunk: str) -> list[str]:
    """Split a chunk where it has a joiner, or where scripts that differ meet."""
    apart = "".join(character if _kind(character) == "w" else " " for character in chunk)
    return [part for piece in apart.split(" ") for part in _PARTS.findall(piece)]


def _word(chunk: str) -> Word:
    """Return a chunk's word; what strangers send at length does not stay in memory."""
    return _kept_word(chunk) if len(chunk) <= LONGEST_KEPT else _new_word(chunk)


def _new_word(chunk: str) -> Word:
    parts = _split(chunk)
    if any(is_run(part) for part in parts):
        if len(parts) == 1:
            return Word(_spellings(parts[0]))
        return Word((), _all_spellings(parts))
    smaller = [piece for part in parts for piece in _LETTERS_OR_DIGITS.findall(part)]
    whole = _spellings("".join(parts))
    return Word(whole, _all_spellings(smaller) if len(smaller) > 1 else ())


_kept_word = lru_cache(maxsize=4096)(_new_word)


def _all_spellings(parts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(filter(None, map(_spellings, parts)))


def _spellings(word: str) -> tuple[str, ...]:
    """Return the spellings of `word`; none where it is made of marks alone."""
    if word.isascii():
        return (word,)
    both = _bare(word), _bare(word.translate(_TWO_LETTERS))
    return tuple(filter(None, dict.fromkeys(both)))


def _bare(word: str) -> str:
    """Return `word` without its marks, with digits 0 to 9 and plain letters."""
    word = _MARKS.sub("", unicodedata.normalize("NFKD", word))
    word = unicodedata.normalize("NFC", word).translate(_ONE_LETTER)
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in word
    )
