"""The descriptors of a picture beside its vector: its colours and its local features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catalog.core.photos import Picture
from catalog.recognition.colours import DIMENSIONS, Colours, colours
from catalog.recognition.colours import VERSION as COLOURS_VERSION
from catalog.recognition.local_features.extract import VERSION as LOCAL_FEATURES_VERSION
from catalog.recognition.local_features.extract import LocalFeatures, extract_local_features

VERSION = f"{COLOURS_VERSION}-{LOCAL_FEATURES_VERSION}"


@dataclass(frozen=True)
class Descriptors:
    """The descriptors of a picture.

    Attributes:
        colours: Its colour histogram, uint8 (256,).
        local_features: Its local features; None where none were extracted.
        thing_colours: The colour histogram of the thing alone, uint8 (256,); None where a device
            did not cut it out. It is not packed.
    """

    colours: Colours
    local_features: LocalFeatures | None = None
    thing_colours: Colours | None = None

    def to_bytes(self) -> bytes:
        """Pack the descriptors for the build cache; `from_bytes` reads them."""
        local = b"" if self.local_features is None else self.local_features.to_bytes()
        return self.colours.tobytes() + local

    @classmethod
    def from_bytes(cls, data: bytes, *, with_local_features: bool) -> Descriptors:
        """Unpack what `to_bytes` packed.

        A plain picture has no local features even where they were extracted, so the caller says
        whether they were.
        """
        local = LocalFeatures.from_bytes(data[DIMENSIONS:]) if with_local_features else None
        return cls(np.frombuffer(data[:DIMENSIONS], np.uint8), local)


def extract_descriptors(image: Picture, most: int) -> Descriptors:
    """Extract the descriptors of a picture.

    Args:
        image: BGR uint8 (h, w, 3).
        most: How many local features at most, the strongest; 0 extracts none.
    """
    return Descriptors(colours(image), extract_local_features(image, most) if most else None)
