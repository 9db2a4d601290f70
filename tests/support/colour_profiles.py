"""ICC profiles as cameras and programs write them, made from the standards' numbers."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms

from catalog.core.photos import Picture

D50 = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True)
class Space:
    """XYZ of a colour space's primaries under D50, and its gamma."""

    red: tuple[float, float, float]
    green: tuple[float, float, float]
    blue: tuple[float, float, float]
    gamma: float


SPACES = {
    "Display P3": Space(
        (0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841), 2.2
    ),
    "Adobe RGB": Space(
        (0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446), 2.2
    ),
    "ProPhoto": Space((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249), 1.8),
}


def rgb_profile(name: str) -> bytes:
    """The ICC profile of a colour space of `SPACES`."""
    space = SPACES[name]
    tags = {b"wtpt": _xyz(D50)}
    for letter, primary in ((b"r", space.red), (b"g", space.green), (b"b", space.blue)):
        tags[letter + b"XYZ"] = _xyz(primary)
        tags[letter + b"TRC"] = _curve(space.gamma)
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    """The ICC profile of grey pictures with a gamma."""
    return _profile(b"GRAY", {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


def in_colours_of(image: Picture, profile: bytes) -> Picture:
    """A picture's colours, BGR in sRGB, as numbers of the profile's colour space, BGR."""
    picture = PillowImage.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), target)
    assert converted is not None
    return np.asarray(converted)[:, :, ::-1]


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    place = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", place + len(content), len(data))
        content += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s4s24x12s48x",
        place + len(content), b"none", 0x02400000, b"mntr", space, b"XYZ ", b"acsp", b"APPL",
        _xyz(D50)[8:],
    )  # fmt: skip
    assert len(header) == 128
    return header + table + content


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(gamma * 256))
