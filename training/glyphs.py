"""Take cut-out things from a colour emoji font: a picture with transparency for each character.

python -m training.glyphs FOLDER
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from catalog.core.errors import ContentError
from training.errors import plain_errors

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
POINTS = 109  # the only size that the font's bitmaps have
SIZE = (136, 128)
BLOCKS = (range(0x203C, 0x3300), range(0x1F000, 0x1FB00))
NOT_THINGS = (range(0x1F1E6, 0x1F200), range(0x1F3FB, 0x1F400))  # letters of flags, skin tones
LEAST = 800  # opaque pixels; fewer are a mark, or a character that the font lacks


def characters() -> Iterator[str]:
    """The characters that may be pictures of things."""
    for block in BLOCKS:
        for code in block:
            if not any(code in other for other in NOT_THINGS):
                yield chr(code)


def write_glyphs(folder: Path, font_file: Path = FONT) -> int:
    """Write `noto-CODE.webp` for each thing in the font.

    Returns:
        How many were written.

    Raises:
        ContentError: The font is not there, or has no such pictures.
    """
    if not font_file.is_file():
        raise ContentError(f"{font_file}: not there; run: apt-get install fonts-noto-color-emoji")
    try:
        font = ImageFont.truetype(str(font_file), POINTS)
    except OSError as error:
        raise ContentError(
            f"{font_file}: not a font with coloured pictures of {POINTS} pixels ({error})"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for character in characters():
        glyph = Pillow.new("RGBA", SIZE)
        ImageDraw.Draw(glyph).text((0, 0), character, font=font, embedded_color=True)
        if np.count_nonzero(np.asarray(glyph)[..., 3] > 32) >= LEAST:
            glyph.save(folder / f"noto-{ord(character):05x}.webp", lossless=True)
            written += 1
    return written


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args()
    print(f"{write_glyphs(options.folder)} things in {options.folder}")


if __name__ == "__main__":
    with plain_errors():
        main()
