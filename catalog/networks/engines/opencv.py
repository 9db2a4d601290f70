"""Run the networks that ship with the program by OpenCV, which is installed with it anyway.

It takes up to twice as long as the other engines. Other networks it may misread without an
error, as where an average pool counts its padding, so `choice` gives it none.
"""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor
from catalog.networks.engines.base import choose_output


class OpenCv:
    """A network of OpenCV's module dnn, on as many threads as ``cv2.setNumThreads`` allows."""

    name = "opencv"
    one_by_one = True  # it would prepare the network anew for each number of pictures

    def __init__(self, network: Path, output: str | None) -> None:
        try:
            self._network = cv2.dnn.readNetFromONNX(str(network))
        except cv2.error as error:
            raise FeaturizerError(f"{network}: opencv cannot open it: {error}") from error
        outputs = list(self._network.getUnconnectedOutLayersNames())
        self._output = choose_output(outputs, output, network)
        self._busy = threading.Lock()  # a network serves one caller at a time

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (1, 3, height, width) and return the output, float32 (1, ...)."""
        try:
            with self._busy:
                self._network.setInput(batch)
                return np.array(self._network.forward(self._output), np.float32)
        except cv2.error as error:
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}: {error}"
            ) from error


def open(network: Path, output: str | None) -> OpenCv:
    """Open `network` with OpenCV; see `catalog.networks.engines.choice.open_engine`."""
    return OpenCv(network, output)
