"""``[page]``: how the page looks, and how it speaks."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from catalog.core.settings import Section, UserPath
from edge.web.languages import LANGUAGES

COLOUR = re.compile("#[0-9a-fA-F]{6}")
HOURS = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _check_colour(text: str) -> str:
    if text and not COLOUR.fullmatch(text):
        raise ValueError(f"{text!r} is not a colour; write it as #1f5c57")
    return text.lower()


def _check_language(text: str) -> str:
    if text and text not in LANGUAGES:
        raise ValueError(f"the page does not speak {text!r}; it speaks {', '.join(LANGUAGES)}")
    return text


def _check_hours(text: str) -> str:
    if text and not HOURS.fullmatch(text):
        raise ValueError(f"{text!r} are no hours; write them as 22:00-07:00")
    return text


Colour = Annotated[str, AfterValidator(_check_colour)]


class PageSettings(Section):
    """Settings of the page; see docs/settings.md."""

    name: Annotated[str, Field(max_length=60)] = ""  # the shop's; "Visual search" where empty
    logo: UserPath | None = None  # SVG, PNG, JPEG or WebP; in place of the name
    welcome: Annotated[str, Field(max_length=120)] = ""  # the first sentence, while nobody is there
    accent: Colour = ""  # the one colour, on light ground
    accent_dark: Colour = ""  # the same on dark ground; made from `accent` where empty
    language: Annotated[str, AfterValidator(_check_language)] = ""  # the browser's where empty
    dim: Annotated[str, AfterValidator(_check_hours)] = ""  # when the own screen is dark
