"""Read a picture's header and check its size, before a pixel is decoded."""

from __future__ import annotations

import importlib
import io
import warnings
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image as PillowImage
from PIL.JpegImagePlugin import JpegImageFile

from catalog.core.errors import PhotoError
from catalog.core.heic import coded_size, is_heic, open_heic, turns_itself
from catalog.core.jpeg import needs_whole

# Each format and the module of Pillow that reads it, imported for the first such picture.
PLUGINS = {
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "DIB": "BmpImagePlugin",
    "TIFF": "TiffImagePlugin",
    "GIF": "GifImagePlugin",
    "PPM": "PpmImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "AVIF": "AvifImagePlugin",
}
JPEG_START = b"\xff\xd8\xff"
MOST_PIXELS = 100_000_000  # decoded at once; a small file may claim far more
MOST_JPEG_PIXELS = 300_000_000  # more than any camera takes; they are decoded reduced
HEAVY = ("AVIF", "JPEG2000")
LEAST_SIDE = 8  # pixels
REDUCTIONS = (8, 4, 2)  # of JPEG; OpenCV would sample other formats instead of averaging them
ORIENTATION = 0x112  # EXIF
SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True)
class PhotoHeader:
    """What a picture file says about itself.

    Attributes:
        format: Pillow's name of the format; "HEIC" for HEIC and HEIF.
        mode: Pillow's name of the kind of pixels.
        width, height: Pixels, as stored.
        transparent: Whether pixels may be transparent.
        orientation: How to turn the picture, by EXIF; 1 where it is upright, or turns itself.
        progressive: Whether it is a progressive JPEG: a coarse picture, then finer ones.
        unbounded: Whether decoding takes memory for every pixel of the file, even at a reduced
            size. It does not for most JPEGs.
        profile: The ICC profile of its colours.
    """

    format: str
    mode: str
    width: int
    height: int
    transparent: bool = False
    orientation: int = 1
    progressive: bool = False
    unbounded: bool = True
    profile: bytes | None = None

    @property
    def grey(self) -> bool:
        """Whether the picture has no colours."""
        return self.mode.startswith(("1", "L", "I"))

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height once the picture is turned upright."""
        sideways = self.orientation in SIDEWAYS
        return (self.height, self.width) if sideways else (self.width, self.height)

    @property
    def heavy(self) -> bool:
        """Whether decoding takes up to 21 bytes for each pixel; else it takes at most 10."""
        return self.transparent or self.format in HEAVY

    def reduction(self, enough: int | None, most_pixels: int) -> int:
        """By how much to divide the sides while decoding: 1, 2, 4 or 8.

        Args:
            enough: Shorter side in pixels that suffices; None for all there is.
            most_pixels: More than these are not decoded. This comes before `enough`.
        """
        if self.format != "JPEG":
            return 1
        pixels, shorter = self.width * self.height, min(self.width, self.height)
        suffices = (
            factor for factor in REDUCTIONS if enough is not None and shorter // factor >= enough
        )
        fits = (factor for factor in (1, 2, 4, 8) if pixels // factor**2 <= most_pixels)
        return max(next(suffices, 1), next(fits, 8))


def read_header(
    data: bytes, name: str, most_pixels: int = MOST_PIXELS, most_heavy: int | None = None
) -> PhotoHeader:
    """Read a picture's header.

    Args:
        data: The content of the file.
        name: What to call it in an error message.
        most_pixels: A picture that cannot be decoded in parts, or reduced, is refused beyond it.
        most_heavy: The same for a picture that is `heavy`; None for `most_pixels`.

    Raises:
        PhotoError: It is no picture, too small or too large.
    """
    if not data:
        raise PhotoError(f"{name}: the file is empty")
    header = _read_heic(data, name) if is_heic(data) else _read(data, name)
    if most_heavy is not None and header.heavy:
        most_pixels = most_heavy
    if header.format == "HEIC":
        _check_size(name, header, *coded_size(data), most_pixels)
    _check_size(name, header, header.width, header.height, most_pixels)
    return header


def _check_size(name: str, header: PhotoHeader, width: int, height: int, most_pixels: int) -> None:
    size = f"{name}: {width} x {height} pixels"
    most = most_pixels if header.unbounded else MOST_JPEG_PIXELS
    if width * height > most:
        kind = header.format
        if header.progressive:
            kind = "progressive JPEG"
        elif kind == "JPEG" and header.unbounded:
            kind = "JPEG in several scans"
        elif header.transparent:
            kind = f"transparent {kind}"
        raise PhotoError(
            f"{size} are too many for {kind} (at most {most // 1_000_000} megapixels); shrink it"
        )
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(f"{size} are too few (at least {LEAST_SIDE} a side)")


def _read_heic(data: bytes, name: str) -> PhotoHeader:
    file = open_heic(data, name)
    width, height = file.size
    return PhotoHeader(
        "HEIC",
        file.mode,
        width,
        height,
        orientation=1 if turns_itself(data) else _orientation(file.info.get("exif")),
        profile=file.info.get("icc_profile"),
    )


def _read(data: bytes, name: str) -> PhotoHeader:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(data) as picture:
                info, mode, kind = picture.info, picture.mode, picture.format or ""
                return PhotoHeader(
                    format=kind,
                    mode=mode,
                    width=picture.width,
                    height=picture.height,
                    transparent=mode in ("RGBA", "LA", "PA")
                    or (kind == "PNG" and "transparency" in info),
                    orientation=_orientation(info.get("exif")),
                    progressive=kind == "JPEG" and bool(info.get("progressive")),
                    unbounded=kind != "JPEG" or needs_whole(data),
                    profile=info.get("icc_profile"),
                )
    except Exception as error:  # a crafted file can make Pillow's parsers raise anything
        raise PhotoError(f"{name}: not a picture that can be read") from error


def _open(data: bytes) -> PillowImage.Image:
    """Open a picture without `Image.open`, whose limit for pixels cannot be set for one call."""
    if data.startswith(JPEG_START):
        return JpegImageFile(io.BytesIO(data))
    for kind, plugin in PLUGINS.items():
        importlib.import_module(f"PIL.{plugin}")
        if kind not in PillowImage.OPEN:  # this build of Pillow cannot read it
            continue
        factory, accepts = PillowImage.OPEN[kind]
        if accepts is None or accepts(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    raise ValueError("none of the formats")


def _orientation(exif: bytes | None) -> int:
    value: object = 1
    with suppress(Exception):  # a picture with bad EXIF is still a picture
        parsed = PillowImage.Exif()
        parsed.load(exif or b"")
        value = parsed.get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
