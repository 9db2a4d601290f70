"""Distractors: pictures of things that hardly any catalogue holds.

A build learns from them what an unknown thing looks like. There are drawn things and photos of
things of many kinds. The vectors of both are shipped for the embedded network and for
EfficientNet-Lite0, so that no build has to draw; the descriptors of the drawn ones are shipped for
every network.

    python -m catalog.building.distractors   computes those of the drawn ones anew

``python -m training.negatives`` computes those of the photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache as cached
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.building.cache import FeatureCache
from catalog.building.collect import StageProgress
from catalog.building.raw_vectors import cached_raw
from catalog.core.photos import Picture
from catalog.core.settings import CatalogSettings
from catalog.core.vectors import Vectors, normalised
from catalog.networks.featurizer import Featurizer
from catalog.networks.models import open_model
from catalog.networks.network import EMBEDDED, Network
from catalog.networks.zoo import EFFICIENTNET
from catalog.recognition.colours import colours as colour_histogram
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.local_features.extract import PER_QUERY
from catalog.recognition.scored_queries import SEED, VERSION, CalibrationQuery
from catalog.synthetic.foreign import foreign_photos

SHIPPED = (EMBEDDED, EMBEDDED.with_name("pretrained"))  # with files of each network's outputs
DRAWN, PHOTOS = "drawn.npz", "negatives.npz"
COUNT = 120  # drawn ones


def drawn_distractors(
    featurizer: Featurizer, cache: FeatureCache, progress: StageProgress
) -> list[CalibrationQuery]:
    """Return queries at drawn things, hands and empty counters."""
    return drawn_queries(drawn_raw(featurizer, cache, progress), featurizer)


def drawn_raw(featurizer: Featurizer, cache: FeatureCache, progress: StageProgress) -> Vectors:
    """Return the raw vectors of the drawn distractors, float32 (n, k).

    For a network whose vectors are not shipped they are drawn in the first build, and cached.
    """

    def drawn() -> Iterator[Picture]:
        for done, picture in enumerate(foreign_photos(SEED, COUNT), 1):
            yield picture
            progress("foreign things", done, COUNT)

    key = f"foreign-{VERSION}-{SEED}-{COUNT}"
    return cached_raw(key, featurizer, cache, drawn, _shipped(DRAWN))


def drawn_queries(raw: Vectors, featurizer: Featurizer) -> list[CalibrationQuery]:
    """Return queries at the drawn things, by their raw vectors."""
    unprojected = list(normalised(raw)) if featurizer.projection else [None] * COUNT
    return [
        CalibrationQuery(vector, described, raw=own)
        for vector, described, own in zip(
            featurizer.vectors(raw), _descriptors(), unprojected, strict=True
        )
    ]


def photo_distractors(featurizer: Featurizer) -> list[CalibrationQuery]:
    """Return queries at photos, without local features; none for networks without shipped ones."""
    outputs = _shipped(PHOTOS)
    if not all(network.id in outputs for network in featurizer.networks):
        return []
    raw = featurizer.join([outputs[network.id] for network in featurizer.networks])
    return [
        CalibrationQuery(vector, Descriptors(histogram))
        for vector, histogram in zip(featurizer.vectors(raw), _colours(), strict=True)
    ]


def write_photos(pictures: Sequence[Picture], networks: Sequence[Network]) -> None:
    """Write the outputs of `SHIPPED` networks for photos, and the colours of the photos."""
    colours = np.stack([colour_histogram(picture) for picture in pictures])
    for folder, network in zip(SHIPPED, networks, strict=True):
        own: dict[str, Any] = {"colours": colours} if folder == EMBEDDED else {}
        raw = _outputs(network, pictures).astype(np.float16)
        np.savez_compressed(folder / PHOTOS, raw=raw, network_id=np.array(network.id), **own)


def write_drawn(networks: Sequence[Network]) -> None:
    """Draw the distractors; write the outputs of `SHIPPED` networks, and the descriptors."""
    pictures = list(foreign_photos(SEED, COUNT))
    packed = [extract_descriptors(picture, PER_QUERY).to_bytes() for picture in pictures]
    for folder, network in zip(SHIPPED, networks, strict=True):
        raw = _outputs(network, pictures)
        own: dict[str, Any] = {}
        if folder == EMBEDDED:
            own["descriptors"] = np.frombuffer(b"".join(packed), np.uint8)
            own["begins"] = np.cumsum([0, *map(len, packed)])
        else:
            raw = raw.astype(np.float16)
        np.savez_compressed(folder / DRAWN, raw=raw, network_id=np.array(network.id), **own)


def _outputs(network: Network, pictures: Sequence[Picture]) -> Vectors:
    return np.concatenate([network.raw([picture]) for picture in pictures])


@cached
def _shipped(file: str) -> dict[str, Vectors]:
    """Read the outputs (n, d) of the networks by their ids."""
    outputs = {}
    for folder in SHIPPED:
        with np.load(folder / file, allow_pickle=False) as data:
            outputs[str(data["network_id"])] = data["raw"].astype(np.float32)
    return outputs


@cached
def _descriptors() -> list[Descriptors]:
    """Read the descriptors of the drawn distractors."""
    with np.load(EMBEDDED / DRAWN, allow_pickle=False) as data:
        packed = data["descriptors"].tobytes()
        spans = list(pairwise(data["begins"].tolist()))
    return [
        Descriptors.from_bytes(packed[begin:end], with_local_features=True) for begin, end in spans
    ]


@cached
def _colours() -> NDArray[np.uint8]:
    """Read the colours (n, 256) of the photos."""
    with np.load(EMBEDDED / PHOTOS, allow_pickle=False) as data:
        return np.asarray(data["colours"])


def shipped_networks(cache: Path) -> list[Network]:
    """Open the networks whose outputs are shipped, in the order of `SHIPPED`."""
    return [*Featurizer.open().networks, *open_model(EFFICIENTNET, cache=cache).networks]


if __name__ == "__main__":
    write_drawn(shipped_networks(CatalogSettings().cache))
    print(*(folder / DRAWN for folder in SHIPPED))
