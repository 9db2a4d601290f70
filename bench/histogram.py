"""A baseline without a network: compare colour histograms."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.photos import decode
from edge.sighting import Image


class HistogramBaseline:
    """Finds a bundle's photos by their colours alone."""

    def __init__(self, bundle: Bundle) -> None:
        pictures = (
            decode(bundle.thumbnail(number) or b"", str(number))
            for number in range(bundle.manifest.photos)
        )
        self._stored = np.stack([colour_histogram(picture) for picture in pictures])
        self._skus = bundle.items.skus

    def first(self, image: Image) -> str:
        """The sku of the photo with the most similar colours."""
        return self._skus[int((self._stored @ colour_histogram(image)).argmax())]


def colour_histogram(image: Image) -> NDArray[np.float32]:
    """Square roots of a 12 x 4 x 4 HSV histogram of BGR uint8 (h, w, 3); length 1."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [12, 4, 4], [0, 180, 0, 256, 0, 256])
    return np.asarray(np.sqrt(counts.ravel() / counts.sum()), np.float32)
