"""Typefaces of the labels: from the font packages of the extra `demo`, or Pillow's own."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from catalog.core.errors import MissingExtraError

BUILT_IN = "built-in"  # Pillow's own face, which needs no package

FACES = {
    "sans": ("font_lato", "Lato-Black.ttf"),
    "text": ("font_lato", "Lato-Bold.ttf"),
    "slanted": ("font_lato", "Lato-BlackItalic.ttf"),
    "round": ("font_fredoka_one", "FredokaOne-Regular.ttf"),
    "serif": ("font_source_serif_pro", "SourceSerifPro-Black.ttf"),
    "book": ("font_source_serif_pro", "SourceSerifPro-BlackIt.ttf"),
    "hand": ("font_amatic_sc", "AmaticSC-Bold.ttf"),
}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=32)  # 130 kB each
def font(face: str, size: int) -> Font:
    """Return a face, `size` pixels high.

    Raises:
        MissingExtraError: Its package is not installed.
    """
    if face == BUILT_IN:
        return ImageFont.load_default(size)
    return ImageFont.truetype(path(face), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def path(face: str) -> Path:
    """Return the file of a face of `FACES`."""
    package, name = FACES[face]
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtraError("the demonstration catalogue", "demo")
    return Path(found.origin).parent / "files" / name
