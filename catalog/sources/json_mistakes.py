"""Say in plain words what is most likely wrong with a JSON file that somebody wrote by hand."""

from __future__ import annotations

import json

_STRAIGHT = 'text stands in straight quotation marks, as "€ 6.90"'
_CURLY = "“”„‟«»‘’‚'`"  # noqa: RUF001

_SIMPLE = {  # by the beginning of what Python says
    "Unterminated string": "a closing quotation mark is missing",
    "Invalid control character": "a closing quotation mark is missing",
    "Invalid \\": "a backslash stands alone; write two, \\\\",
    "Extra data": "something stands behind the end of the object",
}


def what_is_wrong(error: Exception) -> str:
    """Return a clause that says what is likely wrong, and in which line.

    Args:
        error: Why the file could not be read as JSON.
    """
    if isinstance(error, json.JSONDecodeError):
        line, words = _likely(error.doc, error.pos, error.msg)
        return f"line {line}: {words}"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a character"
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line}: a letter is not UTF-8; save the file as UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return getattr(error, "strerror", None) or str(error)


def _likely(text: str, at: int, reason: str) -> tuple[int, str]:
    """The line of a mistake, and the words for it; what Python says where nothing is known."""
    before, here = text[:at].rstrip(), text[at : at + 1]
    line, above = text.count("\n", 0, at) + 1, before.count("\n") + 1  # `above`: of `before`'s end
    if not text.strip():
        return 1, 'the file is empty; {"title": "..."} is wanted'
    if not text.lstrip().startswith(("{", "[")):
        return 1, 'an object begins with {, as {"title": "..."}'
    for beginning, words in _SIMPLE.items():
        if reason.startswith(beginning):
            return line, words
    if not here:
        return above, "the end is missing, a }"
    if "trailing comma" in reason or (before.endswith(",") and here in "}]"):
        return above, f"the comma before {_bracket(text, at)} is one too many; take it out"
    if here in _CURLY:
        return line, f"{here} is no quotation mark of JSON; {_STRAIGHT}"
    words = _missing(before, here, reason)
    if words.endswith("behind "):
        return above, words + _last(before)
    return line, words or reason


def _missing(before: str, here: str, reason: str) -> str:
    """What is missing between two parts of an object; empty where it is not known."""
    if reason.startswith("Expecting ',' delimiter"):
        if not here.isalnum() and here not in "€$£¥+-.(":
            return "a comma is missing behind "
        if before.endswith('"'):
            return 'a quotation mark is missing, or stands within a text; write \\" for one there'
        return f"a comma is missing, or {_STRAIGHT}"
    if reason.startswith("Expecting ':' delimiter"):
        return "a colon is missing behind "
    if reason.startswith("Expecting property name"):
        if here == ",":
            return "a comma is one too many; take it out"
        if before.endswith(",") and here.isdigit():
            return f"a number with a comma is a text; {_STRAIGHT}"
        return 'the name of a field stands in straight quotation marks, as "price"'
    if reason.startswith("Expecting value"):
        return "a value is missing behind " if here in ",}]" else _STRAIGHT
    return ""


def _bracket(text: str, at: int) -> str:
    return next((letter for letter in text[at:] if letter in "}]"), "}")


def _last(before: str) -> str:
    """The last word of a text, shortened, to find the place by."""
    last = before.rsplit("\n", 1)[-1].strip()
    return last if len(last) <= 24 else f"...{last[-20:]}"
