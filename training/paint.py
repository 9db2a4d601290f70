"""Paint the faces of drawn products: label panels, made-up words and icons."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from catalog.core.errors import SurroundingsError
from training.colours import Colour, Rng, contrasting
from training.data import Image
from training.icons import icon

FONT_FOLDERS = ("dejavu", "liberation", "freefont", "noto")
LATIN_NOTO = ("NotoSans-", "NotoSerif-", "NotoSansMono-", "NotoSansDisplay-", "NotoSerifDisplay-")
SOUNDS = """
ba be bi bo bu ca co cu da de di do du fa fe fi fo ga go gu ha he hi ho ja jo ka ke ki ko la le
li lo lu ma me mi mo mu na ne ni no nu pa pe pi po pu ra re ri ro ru sa se si so su ta te ti to
tu va ve vi vo wa we wi xa ya yo za ze zi zo bran crin dal fen gris hol kern lun mont nor plen
quar rist sol tark umb vint wex yor zest spry flan
"""
SYLLABLES = tuple(SOUNDS.split())


@lru_cache(maxsize=1)
def font_files() -> tuple[Path, ...]:
    """The Latin fonts that Debian's font packages install, sorted."""
    root = Path("/usr/share/fonts/truetype")
    found = sorted(p for folder in FONT_FOLDERS for p in (root / folder).glob("*.ttf"))
    usable = tuple(p for p in found if p.parent.name != "noto" or p.name.startswith(LATIN_NOTO))
    if not usable:
        raise SurroundingsError(
            f"no fonts below {root}: install fonts-dejavu, fonts-liberation, fonts-freefont-ttf"
        )
    return usable


@lru_cache(maxsize=2048)
def font(number: int, size: int) -> ImageFont.FreeTypeFont:
    """A font by its number (taken modulo the number of fonts) at a size in pixels."""
    files = font_files()
    return ImageFont.truetype(str(files[number % len(files)]), size)


def word(rng: Rng) -> str:
    """A made-up word in one of four letter cases."""
    plain = "".join(rng.choice(SYLLABLES, int(rng.integers(1, 4))))
    if len(plain) < 3:
        plain += str(rng.choice(SYLLABLES))
    return (plain.upper(), plain.capitalize(), plain.capitalize(), plain)[int(rng.integers(4))]


def write(
    draw: ImageDraw.ImageDraw,
    text: str,
    face: int,
    box: tuple[float, float, float, float],
    ink: Colour,
) -> None:
    """Write a line of text in the middle of (left, top, right, bottom), as large as fits."""
    left, top, right, bottom = box
    size = max(6, int((bottom - top) * 0.95))
    length = font(face, size).getlength(text)
    if length > right - left:
        size = max(6, int(size * (right - left) / length))
    draw.text(
        ((left + right) / 2, (top + bottom) / 2), text, font=font(face, size), fill=ink, anchor="mm"
    )


def painted(
    width: int, height: int, ground: Image, draws: dict[str, Rng], *, needs_icon: bool = False
) -> Image:
    """Paint a product's face, (height, width, 3) uint8: perhaps a panel, words, an icon.

    `draws` has a generator for each part (`layout`, `accent`, `words`, `icon`), so that products
    can share all parts but one. `ground` is the background.
    """
    layout, accent, words = draws["layout"], draws["accent"], draws["words"]
    canvas = Pillow.fromarray(cv2.resize(ground, (width, height)))
    draw = ImageDraw.Draw(canvas)
    base: Colour = tuple(int(v) for v in np.median(np.asarray(canvas).reshape(-1, 3), axis=0))  # type: ignore[assignment]
    panel = contrasting(accent, base)
    kind = int(layout.integers(5))
    left, right = width * layout.uniform(0.0, 0.15), width * layout.uniform(0.85, 1.0)
    top = height * layout.uniform(0.05, 0.4)
    bottom = min(height * 0.97, top + height * layout.uniform(0.3, 0.6))
    frame = contrasting(accent, panel)
    if kind == 0:
        draw.rectangle((0, top, width, bottom), fill=panel)
    elif kind == 1:
        draw.rounded_rectangle(
            (left, top, right, bottom),
            radius=layout.uniform(2, 30),
            fill=panel,
            outline=frame,
            width=int(layout.integers(0, 6)),
        )
    elif kind == 2:
        draw.ellipse(
            (left, top, right, bottom), fill=panel, outline=frame, width=int(layout.integers(0, 6))
        )
    elif kind == 3:
        draw.polygon(
            [
                (0, top),
                (width, top + height * layout.uniform(-0.15, 0.15)),
                (width, bottom),
                (0, bottom + height * layout.uniform(-0.15, 0.15)),
            ],
            fill=panel,
        )
    else:
        panel = base
    ink = contrasting(accent, panel)
    lines = int(layout.integers(1, 4))
    face = int(layout.integers(10_000))
    with_icon = layout.random() < 0.7 or needs_icon
    icon_share = layout.uniform(0.3, 0.6) if with_icon else 0.0
    icon_above = layout.random() < 0.5
    room = bottom - top
    inset = 0.16 if kind == 2 else 0.05
    text_top, text_bottom = top + room * inset, bottom - room * inset
    if with_icon:
        radius = min(room * icon_share / 2, (right - left) * 0.4)
        centre = text_top + radius if icon_above else text_bottom - radius
        icon(
            draw,
            draws["icon"],
            (left + right) / 2,
            centre,
            radius,
            contrasting(draws["icon"], panel),
            panel,
        )
        text_top, text_bottom = (
            (centre + radius, text_bottom) if icon_above else (text_top, centre - radius)
        )
    weights = np.array([1.0, *layout.uniform(0.3, 0.9, lines - 1)])
    edges = text_top + np.r_[0, np.cumsum(weights / weights.sum())] * (text_bottom - text_top)
    for i in range(lines):
        text = (
            word(words)
            if i == 0 or words.random() < 0.7
            else f"{words.integers(1, 1000)} {words.choice(['g', 'ml', 'cl', 'kg', '%'])}"
        )
        margin = width * (0.14 if kind == 2 else 0.03)
        write(
            draw,
            text,
            face if layout.random() < 0.6 else face + 7,
            (left + margin, edges[i], right - margin, edges[i + 1]),
            ink,
        )
    if layout.random() < 0.5:
        high = height * layout.uniform(0.06, 0.12)
        y = height - high * 1.3 if bottom < height * 0.85 else high * 0.2
        write(
            draw,
            f"{word(words)} {word(words)}",
            face + 3,
            (width * 0.05, y, width * 0.95, y + high),
            contrasting(accent, base),
        )
    return np.asarray(canvas, np.uint8)


def fine_grain(rng: Rng, picture: Image, strength: float) -> Image:
    """Add a soft grain to a painted face."""
    height, width = picture.shape[:2]
    grain = rng.normal(0, strength, (height // 2 + 1, width // 2 + 1)).astype(np.float32)
    big: npt.NDArray[np.float32] = np.asarray(cv2.resize(grain, (width, height)), np.float32)
    return (picture.astype(np.float32) + big[..., None]).clip(0, 255).astype(np.uint8)
