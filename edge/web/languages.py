"""The languages that the page speaks, and the sentences of each.

The sentences are gettext files, `locale/de.po` and the like, which translators edit; the English
sentence is the key. `python -m tests.support.sentences` brings them up to date with the page.
"""

from __future__ import annotations

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
    language: str, *, of_scripts: bool = False, of_staff: bool = False, of_device: bool = False
) -> dict[str, str]:
    """The page's sentences in a language, by the English ones; none for English.

    Args:
        language: One of `LANGUAGES`.
        of_scripts: Leave out those that stand in a template alone.
        of_staff: With `of_scripts`: leave none out that only the staff's area needs.
        of_device: Those alone that the device says; see `edge.words`.
    """
    if language == ENGLISH:
        return {}
    import polib  # here, because the settings are read without it

    messages = polib.pofile(str(FOLDER / f"{language}.po"), encoding="utf-8")
    return {
        message.msgid: message.msgstr
        for message in messages
        if not message.obsolete
        and (not of_device or any(file.endswith(".py") for file, _ in message.occurrences))
        and (
            not of_scripts
            or any(_is_needed(file, of_staff=of_staff) for file, _ in message.occurrences)
        )
    }


def _is_needed(file: str, *, of_staff: bool) -> bool:
    """Whether a script is the page's, or the staff's where that is asked for."""
    return file.endswith(".js") and (of_staff or not file.startswith("staff"))
