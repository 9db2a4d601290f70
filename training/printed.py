"""Learn the basis of local features, which is the same for every catalogue.

    python -m training.printed

Writes ``catalog/recognition/local_features/basis.npz`` from photos of all kinds,
in a minute on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.materials import materials
from catalog.core.photos import decode, is_photo_name
from catalog.recognition.local_features.extract import BASIS, DIMENSIONS, SCALE, raw_features

FOLDERS = ("grocery/photos", "pool/trashnet", "pool/caltech", "clothing")
NEVER = ("dev-", "test-")  # photos that nothing is learned from
PHOTOS, FEATURES = 700, 120
WORDS = 128  # for each half of a code
SEED = 20181130


def main() -> None:
    """Learn the basis and write it."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setRNGSeed(SEED)
    places = [place for folder in FOLDERS for place in _photos(root / "data" / folder)]
    found = [raw_features(decode(place.read_bytes(), place.name), FEATURES)[1] for place in places]
    descriptors = np.concatenate(found)
    mean = descriptors.mean(0)
    axes = np.linalg.svd(np.cov((descriptors - mean).T))[0][:, :DIMENSIONS]
    # The strongest directions go to both halves in turn, so that both carry as much information.
    halves = [*range(0, DIMENSIONS, 4), *range(3, DIMENSIONS, 4)]
    others = [*range(1, DIMENSIONS, 4), *range(2, DIMENSIONS, 4)]
    axes = axes[:, [*halves, *others]]
    codes = (descriptors - mean) @ axes
    codes *= SCALE / np.linalg.norm(codes, axis=1, keepdims=True)
    words = np.stack([_centres(half) for half in np.hsplit(codes, 2)])
    np.savez_compressed(
        BASIS,
        mean=mean.astype(np.float16),
        axes=axes.astype(np.float16),
        words=words.astype(np.float16),
    )
    print(f"{BASIS}: from {len(descriptors):,} features of {len(places)} photos")


def _photos(folder: Path) -> list[Path]:
    every = sorted(
        path
        for path in folder.rglob("*")
        if is_photo_name(path.name) and not path.name.startswith(NEVER)
    )
    return every[:: max(1, len(every) * len(FOLDERS) // PHOTOS)]


def _centres(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, 20, 0.0)
    codes = np.ascontiguousarray(codes, np.float32)
    return np.asarray(
        cv2.kmeans(codes, WORDS, None, criteria, 1, cv2.KMEANS_PP_CENTERS)[2],  # type: ignore[call-overload]
        np.float32,
    )


if __name__ == "__main__":
    main()
