"""Tiny drawn pictures: things that differ in colour, their photos, and files of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from PIL import Image as PillowImage

from catalog.core.photos import Picture

ORIENTATION = 0x112


def draw_thing(number: int, view: int = 0, side: int = 64) -> Picture:
    """Photo `view` of thing `number`, BGR uint8 (side, side, 3): 4 x 4 blots of its own."""
    blots = np.random.default_rng([number, 5]).integers(20, 236, (4, 4, 3))
    noise = np.random.default_rng([number, view, 6]).integers(-12, 13, (4, 4, 3))
    small = np.clip(blots + noise, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def quarters(height: int = 48, width: int = 64) -> Picture:
    """Red, green, blue and yellow quarters on a BGR picture, so that every turn shows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (0, 0, 255)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (255, 0, 0)
    image[height // 2 :, width // 2 :] = (0, 255, 255)
    return image


def png(image: Picture) -> bytes:
    """The picture as PNG."""
    return bytes(cv2.imencode(".png", image)[1])


def jpeg(image: Picture, quality: int = 92) -> bytes:
    """The picture as JPEG."""
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def pillow(
    image: Picture,
    kind: str,
    orientation: int | None = None,
    *,
    alpha: bool = False,
    profile: bytes | None = None,
    progressive: bool = False,
) -> bytes:
    """The picture in Pillow's format `kind`, or HEIF, lossless where that is a choice."""
    picture = PillowImage.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    if alpha:
        picture.putalpha(255)
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    if orientation is not None:
        exif = PillowImage.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif.tobytes()
    if profile is not None:
        picture.info["icc_profile"] = options["icc_profile"] = profile
    if progressive:
        options["progressive"] = True
    file = io.BytesIO()
    if kind == "HEIF":  # not by Pillow: its formats stay those that the product itself knows
        pillow_heif.from_pillow(picture).save(file, quality=-1, chroma=444, **options)
    else:
        picture.save(file, kind, **options)
    return file.getvalue()


def large_jpeg(width: int, height: int) -> bytes:
    """A JPEG of any size, in little time and memory: one strip's coded rows, again and again.

    Width and height are multiples of 128.
    """
    strip = cv2.resize(quarters(), (width, 128), interpolation=cv2.INTER_LINEAR)
    file = io.BytesIO()
    PillowImage.fromarray(strip).save(file, "JPEG", restart_marker_rows=1, subsampling="4:2:0")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = height.to_bytes(2)
    scan = data.index(b"\xff\xda")
    scan += 2 + int.from_bytes(data[scan + 2 : scan + 4])
    coded = bytes(data[scan:-2])  # eight rows of blocks, with the restart markers 0 to 6 between
    return bytes(data[:scan]) + b"\xff\xd7".join([coded] * (height // 128)) + b"\xff\xd9"


def jpeg_that_claims(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header claims width x height pixels."""
    file = io.BytesIO()
    PillowImage.new("RGB", (64, 64)).save(file, "JPEG", progressive=progressive)
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_in_several_scans(image: Picture, claimed: tuple[int, int] | None = None) -> bytes:
    """A JPEG, not progressive, whose three colours come one after the other.

    Its header claims the picture's width and height, or others.
    """
    colours = PillowImage.fromarray(np.ascontiguousarray(image[:, :, ::-1])).convert("YCbCr")
    grey = []
    for colour in colours.split():
        file = io.BytesIO()
        colour.save(file, "JPEG", quality=92)
        grey.append(file.getvalue())
    frame, scan = grey[0].index(b"\xff\xc0"), grey[0].index(b"\xff\xda")
    width, height = claimed or colours.size
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    data = grey[0][:frame] + struct.pack(">HHBHHB", 0xFFC0, 17, 8, height, width, 3) + components
    data += grey[0][frame + 13 : scan]
    for number, plane in enumerate(grey, 1):
        data += plane[scan : scan + 5] + bytes([number]) + plane[scan + 6 : -2]
    return data + b"\xff\xd9"


def jpeg_of_many_scans(scans: int, between: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan is there again and again, with something between."""
    data = pillow(quarters(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + (between + data[last:-2]) * scans + data[-2:]


def heic_that_claims(width: int, height: int) -> bytes:
    """A small HEIC whose header claims width x height pixels."""
    data = bytearray(pillow(quarters(), "HEIF"))
    size = data.index(b"ispe") + 8
    data[size : size + 8] = struct.pack(">II", width, height)
    return bytes(data)


def png_that_claims(width: int, height: int, *, alpha: bool = False) -> bytes:
    """A PNG of a hundred bytes whose header claims width x height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = chunk(b"IDAT", zlib.compress(bytes(64)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


def write_things(folder: Path, things: int, photos: int, first: int = 0) -> Path:
    """A folder for each thing, ``thing-00`` and on, with PNG photos ``0.png`` and on."""
    for number in range(first, first + things):
        item = folder / f"thing-{number:02}"
        item.mkdir(parents=True, exist_ok=True)
        for view in range(photos):
            (item / f"{view}.png").write_bytes(png(draw_thing(number, view)))
    return folder
