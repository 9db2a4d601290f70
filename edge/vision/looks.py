"""The newest looks at a thing, and what was computed of each while it may come to rest."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.core.vectors import Tensor
from catalog.recognition.candidates import QueryDescriptors
from edge.sighting import Crop, Image
from edge.vision.images import colours_of_cutout
from edge.vision.picture_search import elapsed_ms, make_crop

AVERAGED_CROPS = 5  # the newest ones
LEAST_SHARPNESS = 0.35  # of the sharpest of these; more blurred ones are left out
LEAST_CROPS, MOST_CROPS = 2, 12  # before a decision
FOCUSING = 1.15  # times as sharp as all crops before: the camera is still focusing
CODE_IMAGES = 3  # in which codes are looked for
DESCRIBED = 1.1  # times as sharp must a crop be to be described where another one is already


class Look:
    """One crop, and what was computed of it, each once.

    Attributes:
        crop: The crop.
        embed_ms: Milliseconds that the networks took.
        describe_ms: Milliseconds that local features and colours took.
    """

    def __init__(self, crop: Crop) -> None:
        self.crop = crop
        self.embed_ms = self.describe_ms = 0.0
        self._outputs: dict[int, Tensor] = {}
        self._descriptors: QueryDescriptors | None = None

    def output(self, bundle: Bundle, number: int) -> Tensor:
        """The output of one of the bundle's networks, float32 (1, d)."""
        if number not in self._outputs:
            start = time.perf_counter()
            network = bundle.featurizer.networks[number]
            self._outputs[number] = network.raw([self.crop.image])
            self.embed_ms += elapsed_ms(start)
        return self._outputs[number]

    def descriptors(self, bundle: Bundle) -> QueryDescriptors:
        """Its local features and colours, as far as the bundle can use them."""
        if self._descriptors is None:
            start = time.perf_counter()
            self._descriptors = bundle.describe(self.crop.image)
            if self.crop.cut_out and bundle.has_taught_items():
                self._descriptors.thing_colours = colours_of_cutout(self.crop.image)
            self.describe_ms = elapsed_ms(start)
        return self._descriptors

    @property
    def rank(self) -> float:
        """Its sharpness, raised a little where its descriptors are there already."""
        return self.crop.sharpness * (1.0 if self._descriptors is None else DESCRIBED)


class Looks:
    """What was seen of one thing while it lay still.

    Attributes:
        images: The newest cuts at the camera's resolution, BGR uint8 (h, w, 3).
    """

    def __init__(self) -> None:
        self.images: deque[Image] = deque(maxlen=CODE_IMAGES)
        self._looks: deque[Look] = deque(maxlen=AVERAGED_CROPS)
        self._count = 0

    def add(
        self, bundle: Bundle, image: Image, box: Box, alpha: NDArray[np.float32] | None
    ) -> Crop:
        """Cut the thing out of a frame, as in `make_crop`, and keep it."""
        crop = make_crop(bundle, image, box, alpha)
        self._looks.append(Look(crop))
        self._count += 1
        self.images.append(box.cut(image))
        return crop

    def prepare(self, bundle: Bundle) -> None:
        """Compute what a search needs; where the thing lay still since the look before."""
        if not self.are_enough:
            return
        self._looks[-1].output(bundle, 0)
        best = self.best()
        for number in range(1, len(bundle.featurizer.networks)):
            best.output(bundle, number)
        best.descriptors(bundle)

    @property
    def are_enough(self) -> bool:
        """Whether there are enough looks for an answer."""
        return self._count >= LEAST_CROPS

    @property
    def in_focus(self) -> bool:
        """Whether there are enough looks, and the newest is not by far the sharpest."""
        if not self.are_enough:
            return False
        *before, newest = [look.crop.sharpness for look in self._looks]
        return newest <= FOCUSING * max(before) or self._count >= MOST_CROPS

    def sharp(self) -> list[Look]:
        """The newest looks, without the blurred ones."""
        sharpest = max(look.crop.sharpness for look in self._looks)
        least = LEAST_SHARPNESS * sharpest
        return [look for look in self._looks if look.crop.sharpness >= least]

    def best(self) -> Look:
        """The sharpest look, or one that is almost as sharp and was described already."""
        return max(self._looks, key=lambda look: look.rank)
