"""Measure how fast a build turns photos into vectors, beside the bare network."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from bench.timing import network_ms
from catalog.building.build import build
from catalog.building.cache import FeatureCache
from catalog.building.features import featurize
from catalog.networks.featurizer import Featurizer
from catalog.recognition.augment import augment
from catalog.sources.read import read_source
from catalog.synthetic.photos import draw_catalogue, is_complete

PHOTOS = 10_000
LARGE = (4000, 3000)  # pixels: twelve million


def build_speed(photos: Path, featurizer: Featurizer) -> dict[str, float]:
    """Photos a second through reading, decoding, thumbnails and network, and by the bare network.

    The bare network is measured before and after, and the mean is taken, because the speed of a
    machine drifts.
    """
    places = [place for entry in read_source(photos).items for place in entry.photos]
    alone = [1000 / network_ms(featurizer)]
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder))
        start = time.perf_counter()
        for _ in featurize(places, featurizer, cache):
            pass
        speed = len(places) / (time.perf_counter() - start)
        cache.close()
    alone.append(1000 / network_ms(featurizer))
    bare = sum(alone) / 2
    return {"photos/s": speed, "bare network, photos/s": bare, "ratio": speed / bare}


def large_photos(folder: Path, count: int = 40) -> Path:
    """A folder of drawn photos of twelve megapixels."""
    drawn = sorted(catalogue_photos(folder).rglob("*.jpg"))
    target = folder / "large"
    target.mkdir(exist_ok=True)
    for number in range(count):
        file = target / f"{number}.jpg"
        if not file.exists():
            image = cv2.imread(str(drawn[number * 7 % len(drawn)]))
            cv2.imwrite(
                str(file), cv2.resize(np.asarray(image), LARGE, interpolation=cv2.INTER_CUBIC)
            )
    return target


def catalogue_photos(folder: Path) -> Path:
    """The demonstration's photos."""
    drawn = folder / "drawn"
    if not is_complete(drawn):
        draw_catalogue(drawn)
    return drawn


def large_bundle(folder: Path, featurizer: Featurizer, name: str = "bundle") -> Path:
    """A bundle of 10,000 different photos made from drawn ones."""
    photos = folder / "ten-thousand"
    originals = sorted(catalogue_photos(folder).rglob("*.jpg"))
    for number in range(PHOTOS):
        original = originals[number % len(originals)]
        target = photos / original.parent.name / f"{number}.jpg"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            small = cv2.resize(
                np.asarray(cv2.imread(str(original))), (320, 320), interpolation=cv2.INTER_AREA
            )
            cv2.imwrite(str(target), augment(np.asarray(small, np.uint8), number))
    build(read_source(photos).items, folder / name, featurizer, folder / "cache", "bench")
    return folder / name
