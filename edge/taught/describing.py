"""Describe the views of taught items by the networks and descriptors of a catalogue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.photos import decode, encode_jpeg, shrink
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.local_features.extract import PER_PHOTO
from edge.sighting import Image
from edge.taught.collecting import PICTURE_SIDE
from edge.taught.store import Features, NewPhoto
from edge.vision.images import colours_of_cutout
from edge.vision.picture_search import CROP_SIDE

JPEG_QUALITY = 90


def new_photo(bundle: Bundle, picture: Image, raw: NDArray[np.float32] | None) -> NewPhoto:
    """A view as it is kept.

    Args:
        bundle: The catalogue.
        picture: The view, BGR uint8 (h, w, 3).
        raw: What the catalogue's networks answered about it, float32 (k,); None to ask them.
    """
    seen = as_seen(bundle, picture)
    if raw is None:
        raw = bundle.featurizer.raw([seen])[0]
    jpeg = encode_jpeg(picture, PICTURE_SIDE, JPEG_QUALITY)
    height, width = shrink(picture, PICTURE_SIDE).shape[:2]
    descriptors = _described(seen)
    return NewPhoto(jpeg, width, height, Features(np.asarray(raw, np.float32), descriptors))


def features_of(bundle: Bundle, jpeg: bytes) -> Features:
    """Describe a kept view anew.

    Raises:
        PhotoError: It cannot be decoded.
    """
    seen = as_seen(bundle, decode(jpeg, "a taught photo"))
    return Features(bundle.featurizer.raw([seen])[0], _described(seen))


def as_seen(bundle: Bundle, picture: Image) -> Image:
    """A picture at the size at which the recognizer searches."""
    return shrink(picture, max(CROP_SIDE, bundle.featurizer.enough))


def _described(picture: Image) -> Descriptors:
    """The descriptors of a view; with the colours of the thing alone where it was cut out."""
    described = extract_descriptors(picture, PER_PHOTO)
    return replace(described, thing_colours=colours_of_cutout(picture))
