"""The languages that the page speaks, and the sentences of each.

The sentences are gettext files, `locale/de.po` and the like, which translators edit; the English
sentence is the key. `python -m tests.support.sentences` brings them up to date with the page.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from werkzeug.datastructures import LanguageAccept

ENGLISH = "en"
LANGUAGES = {  # as their speakers call them
    ENGLISH: "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "zh": "中文",
    "ja": "日本語",
    "ar": "العربية",
}
FROM_RIGHT_TO_LEFT = frozenset(["ar"])
FOLDER = Path(__file__).with_name("locale")
AT_ONCE = frozenset({"answer.js", "live.js", "page.js", "visit.js", "words.js"})
"""The scripts of the visitors' page that say something and are loaded before its first answer."""
FRENCH_SPACE = re.compile("(?<=«) | (?=[:;?!»])")
"""It stays in one line with its mark."""


def choose_language(asked: str, accepted: LanguageAccept, own: str) -> str:
    """The language of a page.

    Args:
        asked: What the visitor chose on the page; empty or another text where nothing.
        accepted: What the visitor's browser wants.
        own: The language of the settings, which goes before the browser's; empty for none.
    """
    if asked in LANGUAGES:
        return asked
    return own or accepted.best_match(LANGUAGES) or ENGLISH


@cache
def sentences(
    language: str, *, at_once: bool = False, of_staff: bool = False, later: bool = False
) -> dict[str, str]:
    """The page's sentences in a language, by the English ones; none for English.

    Args:
        language: One of `LANGUAGES`.
        at_once: Those alone that the scripts need before the page's first answer.
        of_staff: With `at_once`: all that scripts need, as the staff's area has them.
        later: Those alone that the page fetches: of late scripts, and what the device says; see
            `edge.words`.
    """
    if language == ENGLISH:
        return {}
    import polib  # here, because the settings are read without it

    messages = polib.pofile(str(FOLDER / f"{language}.po"), encoding="utf-8")
    return {
        message.msgid: FRENCH_SPACE.sub("\N{NO-BREAK SPACE}", message.msgstr)
        for message in messages
        if not message.obsolete
        and (not at_once or any(_is_at_once(file, of_staff) for file, _ in message.occurrences))
        and (not later or any(_is_later(file) for file, _ in message.occurrences))
    }


def _is_at_once(file: str, of_staff: bool) -> bool:  # noqa: FBT001 - as it is handed through
    return file.endswith(".js") if of_staff else file in AT_ONCE


def _is_later(file: str) -> bool:
    return file.endswith(".py") or (
        file.endswith(".js") and not file.startswith("staff") and file not in AT_ONCE
    )
