"""Extract local features of a picture, short enough to store millions of them.

They are SIFT features (Lowe 2004) of a small grey picture. Their descriptors become square roots
of their shares (RootSIFT, Arandjelovic and Zisserman 2012) and are shortened with principal
components. Those were learned once from photos of all kinds and are the same for every
catalogue, so a photo's features can be cached whatever is built from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.photos import Picture, shrink

VERSION = 1  # raise it when the features change; the cache stores them by it
SIDE = 192  # pixels, longer side; larger pictures take longer and give no better matches
DIMENSIONS = 32
PER_PHOTO, PER_QUERY = 300, 600  # the strongest features are used
CONTRAST = 0.01  # SIFT's default 0.04 finds few in clean pictures
SCALE = 256.0  # of a code, because the components of a unit vector are small
OCTAVE = 28.0  # steps of a byte for each doubling of a feature's size
TURN = 256 / 360  # steps of a byte for each degree
BASIS = Path(__file__).with_name("basis.npz")


@dataclass(frozen=True)
class LocalFeatures:
    """Local features of one picture, the strongest first.

    Attributes:
        codes: Int8 (n, 32), unit vectors times 256, clipped at 127.
        places: Uint8 (n, 4): x, y in pixels of the small picture, size, angle.
    """

    codes: NDArray[np.int8]
    places: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Return the codes as float32 (n, 32), of length about 1."""
        return self.codes.astype(np.float32) / np.float32(SCALE)

    @cached_property
    def words(self) -> NDArray[np.int64]:
        """Return the word (n,) of each code; see `store`."""
        return words_of(self.codes)

    def to_bytes(self) -> bytes:
        """Return bytes for the build cache; see `from_bytes`."""
        return np.hstack([self.codes.view(np.uint8), self.places]).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> LocalFeatures:
        """Return the features that `to_bytes` turned into bytes."""
        rows = np.frombuffer(data, np.uint8).reshape(-1, DIMENSIONS + 4)
        codes = np.ascontiguousarray(rows[:, :DIMENSIONS]).view(np.int8)
        return cls(codes, np.ascontiguousarray(rows[:, DIMENSIONS:]))


@dataclass(frozen=True)
class Basis:
    """The constants of every catalogue, learned by ``python -m training.printed``.

    Attributes:
        mean: Float32 (128,), of RootSIFT descriptors.
        axes: Float32 (128, 32), their principal components, rotated so that the two halves of a
            code have the same variance.
        words: Float32 (2, k, 16), centres of the codes' halves; see `store`.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    words: NDArray[np.float32]


@cache
def basis() -> Basis:
    """Return the shipped basis."""
    with np.load(BASIS, allow_pickle=False) as data:
        return Basis(*(data[name].astype(np.float32) for name in ("mean", "axes", "words")))


def words_of(codes: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the word (n,) of each code, int8 (n, 32)."""
    first, second = (
        half.argmin(1).astype(np.int64) for half in distances(codes.astype(np.float32) / SCALE)
    )
    return np.asarray(first * basis().words.shape[1] + second)


def distances(codes: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the squared distances (n, k) of both halves of each code from the centres.

    A constant for each code is left out.
    """
    centres = basis().words / SCALE
    return [
        np.square(words).sum(1) - 2 * half @ words.T
        for half, words in zip(np.hsplit(codes, 2), centres, strict=True)
    ]


def extract_local_features(image: Picture, most: int) -> LocalFeatures:
    """Return the `most` strongest local features of a BGR uint8 picture (h, w, 3)."""
    places, descriptors = raw_features(image, most)
    codes = (descriptors - basis().mean) @ basis().axes
    codes /= np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-9)
    return LocalFeatures(np.clip(np.rint(codes * SCALE), -127, 127).astype(np.int8), places)


def raw_features(image: Picture, most: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return places (n, 4) as in `LocalFeatures`, and RootSIFT descriptors float32 (n, 128)."""
    grey = cv2.cvtColor(shrink(image, SIDE), cv2.COLOR_BGR2GRAY)
    sift = cv2.SIFT.create(most, contrastThreshold=CONTRAST)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if len(keypoints) == 0:
        return np.empty((0, 4), np.uint8), np.empty((0, 128), np.float32)
    order = np.argsort([-keypoint.response for keypoint in keypoints], kind="stable")[:most]
    places = np.array(
        [
            (
                keypoint.pt[0],
                keypoint.pt[1],
                (np.log2(keypoint.size) + 1) * OCTAVE,
                keypoint.angle * TURN,
            )
            for keypoint in keypoints
        ]
    )
    places = np.rint(places[order])
    places[:, 3] %= 256
    descriptors = np.asarray(descriptors, np.float32)
    shares = descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-9)
    return places.clip(0, 255).astype(np.uint8), np.sqrt(shares[order])
