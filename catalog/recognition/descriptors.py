"""What a picture shows beside its vector: its colours, and what is printed on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.core.photos import Picture
from catalog.recognition.colours import DIMENSIONS, Colours, colours
from catalog.recognition.colours import VERSION as COLOURED
from catalog.recognition.local_features.extract import VERSION as DESCRIBED
from catalog.recognition.local_features.extract import LocalFeatures, extract_local_features

VERSION = f"{COLOURED}-{DESCRIBED}"


@dataclass(frozen=True)
class Descriptors:
    """Colours uint8 (256,), and local features; None where nobody read them."""

    colours: Colours
    description: LocalFeatures | None = None

    def to_bytes(self) -> bytes:
        """For the build cache; see `from_bytes`."""
        read = b"" if self.description is None else self.description.to_bytes()
        return self.colours.tobytes() + read

    @classmethod
    def from_bytes(cls, data: bytes, is_read: bool) -> Descriptors:
        """What `to_bytes` made; of a plain picture that was read, too, there are no features."""
        description = LocalFeatures.from_bytes(data[DIMENSIONS:]) if is_read else None
        return cls(np.frombuffer(data[:DIMENSIONS], np.uint8), description)


def extract_descriptors(image: Picture, most: int) -> Descriptors:
    """Of a picture, BGR uint8 (h, w, 3), with at most so many local features; unread where 0."""
    return Descriptors(colours(image), extract_local_features(image, most) if most else None)
