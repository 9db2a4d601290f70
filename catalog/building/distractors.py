"""Distractors: pictures of things that hardly any catalogue holds.

A build learns from them what an unknown thing looks like. There are drawn things and photos of
things of many kinds. The vectors of both are shipped for the embedded network, so that no build
has to draw; the descriptors of the drawn ones are shipped for every network.

    python -m catalog.building.distractors   computes those of the drawn ones anew

``python -m training.negatives`` computes those of the photos.
"""

from __future__ import annotations

from functools import cache as cached
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.collect import StageProgress
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import EMBEDDED, Featurizer
from catalog.recognition.calibrate import SEED, VERSION, CalibrationQuery
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.synthetic.foreign import foreign_photos

DRAWN = EMBEDDED / "drawn.npz"
PHOTOS = EMBEDDED / "negatives.npz"
COUNT = 120  # drawn ones


def drawn_distractors(
    featurizer: Featurizer, cache: FeatureCache, progress: StageProgress
) -> list[CalibrationQuery]:
    """Return queries at drawn things, hands and empty counters.

    For another network than the embedded one they are drawn in the first build; their vectors
    are cached as one long vector.
    """
    network_id, raw, descriptors = _shipped()
    if featurizer.network_id != network_id:
        key = f"foreign-{VERSION}-{SEED}-{COUNT}"
        feature = cache.get(key, featurizer.network_id)
        if feature is None:
            vectors = []
            for done, picture in enumerate(foreign_photos(SEED, COUNT), 1):
                vectors.append(featurizer.raw([picture])[0])
                progress("foreign things", done, COUNT)
            feature = PhotoFeature(key, np.concatenate(vectors), 0, 0, b"")
            cache.put([feature], featurizer.network_id)
        raw = feature.vector.reshape(COUNT, -1)
    unprojected = list(normalised(raw)) if featurizer.projection else [None] * COUNT
    return [
        CalibrationQuery(vector, described, raw=own)
        for vector, described, own in zip(
            featurizer.vectors(raw), descriptors, unprojected, strict=True
        )
    ]


def photo_distractors(featurizer: Featurizer) -> list[CalibrationQuery]:
    """Return queries at photos, without local features; none for another network."""
    with np.load(PHOTOS, allow_pickle=False) as data:
        if str(data["network_id"]) != featurizer.network_id:
            return []
        raw, colours = data["raw"].astype(np.float32), data["colours"]
    return [
        CalibrationQuery(vector, Descriptors(histogram))
        for vector, histogram in zip(featurizer.vectors(raw), colours, strict=True)
    ]


def write_photos(raw: Vectors, colours: NDArray[np.uint8], network_id: str) -> None:
    """Write the network's own vectors (n, k) of photos, and their colours (n, 256)."""
    np.savez_compressed(
        PHOTOS, raw=raw.astype(np.float16), colours=colours, network_id=np.array(network_id)
    )


def write_drawn() -> None:
    """Draw the distractors; write the embedded network's vectors and the descriptors."""
    featurizer = Featurizer.open(EMBEDDED)
    pictures = list(foreign_photos(SEED, COUNT))
    packed = [extract_descriptors(picture, PER_QUERY).to_bytes() for picture in pictures]
    np.savez_compressed(
        DRAWN,
        network_id=np.array(featurizer.network_id),
        raw=np.concatenate([featurizer.raw([picture]) for picture in pictures]),
        descriptors=np.frombuffer(b"".join(packed), np.uint8),
        begins=np.cumsum([0, *map(len, packed)]),
    )


@cached
def _shipped() -> tuple[str, Vectors, list[Descriptors]]:
    """Read the embedded network's id and vectors of the drawn distractors; their descriptors."""
    with np.load(DRAWN, allow_pickle=False) as data:
        network_id, raw = str(data["network_id"]), data["raw"].astype(np.float32)
        packed = data["descriptors"].tobytes()
        spans = list(pairwise(data["begins"].tolist()))
    return (
        network_id,
        raw,
        [
            Descriptors.from_bytes(packed[begin:end], with_local_features=True)
            for begin, end in spans
        ],
    )


if __name__ == "__main__":
    write_drawn()
    print(DRAWN)
