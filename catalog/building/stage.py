"""The stage of a build that looks at photos: the bytes of one photo in, its record out.

It keeps nothing from one photo to the next, and the networks take one picture at a time. So a photo
has the same record wherever it is made: on the threads of a local build, or on many machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.bundles.content_check import LARGEST_SIDE
from catalog.core.errors import PhotoError
from catalog.core.photo_header import LEAST_SIDE, read_header
from catalog.core.photos import Picture, decode, encode_jpeg, shrink
from catalog.core.read_line import ReadLine
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder
from catalog.networks.text_reader import TextReader
from catalog.recognition.augment import has_surroundings
from catalog.recognition.descriptors import Descriptors, extract_descriptors

ENOUGH_TO_CUT = 1200  # pixels of the shorter side, where only a part of the photo may be used
ENOUGH_TO_READ = 640  # pixels of the shorter side, to read what is printed
THUMBNAIL = 400  # pixels, longer side
CLUTTERED = "-cluttered"  # at the end of the keys of photos that are cut only where they are such
MOST_TIMES_AS_LONG = THUMBNAIL // LEAST_SIDE  # else the thumbnail is too thin to be read


@dataclass(frozen=True)
class PhotoRecord:
    """What a build needs of one photo.

    Attributes:
        key: The sha256 of its bytes; with the finder's id where only the thing in it counts.
        width: Upright, in pixels.
        height: Upright, in pixels.
        thumbnail: A JPEG.
        outputs: The output of each network, float32 (d,), by the network's id.
        descriptors: Its colours and local features, if wanted.
    """

    key: str
    width: int = 0
    height: int = 0
    thumbnail: bytes = b""
    outputs: Mapping[str, Vectors] = field(default_factory=dict)
    descriptors: Descriptors | None = None


@dataclass(frozen=True)
class PhotoStage:
    """Makes the record of a photo; threads may share it.

    Attributes:
        featurizer: The networks.
        local_features: How many local features to extract beside the colours; None extracts
            neither.
        finder: Finds the thing in a photo, of which alone the features are then; None for those
            of whole photos.
        cluttered_only: Whether a photo of a thing alone, before a plain ground, stays whole.
    """

    featurizer: Featurizer
    local_features: int | None = None
    finder: ThingFinder | None = None
    cluttered_only: bool = False

    def key(self, data: bytes) -> str:
        """Return the key of a photo's record."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self.finder is None:
            return sha256
        return f"{sha256}-{self.finder.id}{CLUTTERED if self.cluttered_only else ''}"

    def is_complete(self, record: PhotoRecord) -> bool:
        """Return whether nothing is missing in a record."""
        wanted = {network.id for network in self.featurizer.networks}
        return wanted <= record.outputs.keys() and (
            self.local_features is None or record.descriptors is not None
        )

    def record(self, data: bytes, name: str, known: PhotoRecord) -> PhotoRecord:
        """Make the record of a photo.

        Args:
            data: The photo's bytes.
            name: What to call it in an error message.
            known: What is known of the record, its key at least; that is not made again.

        Raises:
            PhotoError: The photo cannot be used.
        """
        width, height = known.width, known.height
        header = None
        if not known.thumbnail:
            header = read_header(data, name)
            width, height = header.upright_size
        check_shape(name, width, height)
        if self.is_complete(known):
            return known
        enough = THUMBNAIL if self.finder is None else ENOUGH_TO_CUT
        whole = decode(data, name, enough=max(self.featurizer.enough, enough), header=header)
        image = self.used(whole)
        descriptors = known.descriptors
        if self.local_features is not None and descriptors is None:
            descriptors = extract_descriptors(image, self.local_features)
        new = {
            network.id: network.raw([image])[0]
            for network in self.featurizer.networks
            if network.id not in known.outputs
        }
        thumbnail = known.thumbnail or encode_jpeg(whole, THUMBNAIL)
        return PhotoRecord(
            known.key, width, height, thumbnail, {**known.outputs, **new}, descriptors
        )

    def used(self, whole: Picture) -> Picture:
        """Return the part of a photo (h, w, 3) of which the features are."""
        if self.finder is None:
            return whole
        if self.cluttered_only and not has_surroundings(shrink(whole, THUMBNAIL)):
            return whole
        part = self.finder.look(whole).part
        return whole if part is None else part.cut(whole)


def read_lines(data: bytes, name: str, reader: TextReader) -> tuple[ReadLine, ...]:
    """Return the lines that are printed on a photo.

    Raises:
        PhotoError: The photo cannot be used.
    """
    return reader.read(decode(data, name, enough=ENOUGH_TO_READ))


def check_shape(place: str, width: int, height: int) -> None:
    """Check the width and height of a photo; PhotoError where it is too long and thin."""
    longer, shorter = max(width, height), min(width, height)
    if longer > MOST_TIMES_AS_LONG * shorter or longer > LARGEST_SIDE:
        raise PhotoError(
            f"{place}: {width} x {height} pixels are too long and thin "
            f"(at most {MOST_TIMES_AS_LONG} times as long, and {LARGEST_SIDE} pixels)"
        )
