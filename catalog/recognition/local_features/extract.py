"""What is printed on a thing: local features of its picture, short enough to be kept by millions.

SIFT (Lowe 2004) on a small grey picture, its descriptors as square roots of their shares
(RootSIFT, Arandjelovic and Zisserman 2012), shortened by principal components that were
learned once from photos of all kinds and are the same for every catalogue. So what was
described once is never described again, whatever is built from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, shrink

VERSION = 1  # raise it when descriptions change; they are kept by it
SIDE = 192  # pixels, longer side; larger ones take longer and find no more
DIMENSIONS = 32
PER_PHOTO, PER_QUERY = 300, 600  # features kept: the strongest
CONTRAST = 0.01  # SIFT's own 0.04 leaves clean pictures with few
SCALE = 256.0  # of a code: components of a unit vector are small
OCTAVE = 28.0  # steps of a byte for each doubling of a feature's size
TURN = 256 / 360  # steps of a byte a degree
BASIS = Path(__file__).with_name("basis.npz")


@dataclass(frozen=True)
class LocalFeatures:
    """Local features of one picture, the strongest first.

    Attributes:
        codes: Int8 (n, 32), unit vectors times 256, cut at 127.
        places: Uint8 (n, 4): x, y in pixels of the small picture, size, angle.
    """

    codes: NDArray[np.int8]
    places: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The codes as float32 (n, 32), of length about 1."""
        return self.codes.astype(np.float32) / np.float32(SCALE)

    def to_bytes(self) -> bytes:
        """For the build cache; see `from_bytes`."""
        return np.hstack([self.codes.view(np.uint8), self.places]).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> LocalFeatures:
        """What `to_bytes` made."""
        rows = np.frombuffer(data, np.uint8).reshape(-1, DIMENSIONS + 4)
        codes = np.ascontiguousarray(rows[:, :DIMENSIONS]).view(np.int8)
        return cls(codes, np.ascontiguousarray(rows[:, DIMENSIONS:]))


@dataclass(frozen=True)
class Basis:
    """What is the same for every catalogue, learned by ``python -m training.printed``.

    Attributes:
        mean: Float32 (128,), of RootSIFT descriptors.
        axes: Float32 (128, 32), their principal components, turned so that the two halves of
            a code vary alike.
        words: Float32 (2, k, 16), centres of the codes' halves; see `store`.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    words: NDArray[np.float32]


@cache
def basis() -> Basis:
    """The shipped one."""
    with np.load(BASIS, allow_pickle=False) as data:
        return Basis(*(data[name].astype(np.float32) for name in ("mean", "axes", "words")))


def extract_local_features(image: Picture, most: int) -> LocalFeatures:
    """The `most` strongest local features of a BGR uint8 picture (h, w, 3)."""
    places, descriptors = raw_features(image, most)
    codes = (descriptors - basis().mean) @ basis().axes
    codes /= np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-9)
    return LocalFeatures(np.clip(np.rint(codes * SCALE), -127, 127).astype(np.int8), places)


def raw_features(image: Picture, most: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Places (n, 4) as a `LocalFeatures` has them, and RootSIFT descriptors float32 (n, 128)."""
    grey = cv2.cvtColor(shrink(image, SIDE), cv2.COLOR_BGR2GRAY)
    sift = cv2.SIFT.create(most, contrastThreshold=CONTRAST)
    found, descriptors = sift.detectAndCompute(grey, None)  # type: ignore[call-overload]
    if len(found) == 0:
        return np.empty((0, 4), np.uint8), np.empty((0, 128), np.float32)
    order = np.argsort([-one.response for one in found], kind="stable")[:most]
    places = np.array(
        [
            (one.pt[0], one.pt[1], (np.log2(one.size) + 1) * OCTAVE, one.angle * TURN)
            for one in found
        ]
    )
    places = np.rint(places[order])
    places[:, 3] %= 256
    descriptors = np.asarray(descriptors, np.float32)
    shares = descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-9)
    return places.clip(0, 255).astype(np.uint8), np.sqrt(shares[order])
