"""Colours of the page: the shop's accent, and whether text in it can be read."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_CONTRAST = 4.5  # of text to its ground, by WCAG
LIGHT_SURFACES = ("#f6f4ef", "#fffefb")  # --paper and --surface of tokens.css
DARK_SURFACES = ("#181715", "#211f1c")
WHITE, BLACK = "#ffffff", "#10110f"
STEPS = 20  # of mixing with white


@dataclass(frozen=True)
class Accent:
    """The accent on light or on dark ground, as hexadecimal colours.

    Attributes:
        colour: The accent itself.
        soft: A quiet ground of the same tone.
        text: Text on the accent.
    """

    colour: str
    soft: str
    text: str


def light_accent(colour: str) -> Accent:
    """The accent on light ground."""
    return _accent(colour, LIGHT_SURFACES)


def dark_accent(colour: str, own: str = "") -> Accent:
    """The accent on dark ground: `own`, or `colour` made so light that it can be read there."""
    lighter = (mixed(WHITE, colour, step / STEPS) for step in range(STEPS + 1))
    return _accent(
        own or next(tone for tone in lighter if least_contrast(tone, DARK_SURFACES) >= 6),
        DARK_SURFACES,
    )


def least_contrast(colour: str, surfaces: tuple[str, ...]) -> float:
    """The contrast of a colour to that of the surfaces to which it is least."""
    return min(contrast(colour, surface) for surface in surfaces)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """A colour that is `share` of `one`, and the rest of `other`."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in parts)


def _accent(colour: str, surfaces: tuple[str, ...]) -> Accent:
    text = max((WHITE, BLACK), key=lambda tone: contrast(tone, colour))
    return Accent(colour, mixed(colour, surfaces[-1], 0.12), text)


def _parts(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _luminance(colour: str) -> float:
    shares = (part / 255 for part in _parts(colour))
    red, green, blue = (
        share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
