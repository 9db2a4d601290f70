"""Run networks with OpenCV, which is installed with this program anyway.

It takes 1.3 to 3 times as long as the other engines, and cannot read every network
(https://docs.opencv.org/4.x/d6/d0f/group__dnn.html).
"""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor
from catalog.networks.engines.base import choose_output
from catalog.networks.engines.onnx_file import input_shape_of


class OpenCv:
    """A network of OpenCV's module dnn, on as many threads as OpenCV may use."""

    name = "opencv"
    one_by_one = True  # it would prepare the network anew for each number of pictures

    def __init__(self, network: Path, output: str | None) -> None:
        try:
            content = network.read_bytes()
            self._shape = input_shape_of(content)  # OpenCV would take any
            self._network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
            outputs = list(self._network.getUnconnectedOutLayersNames())
        except (cv2.error, OSError, ValueError) as error:
            raise FeaturizerError(
                f"{network}: opencv cannot open it, onnxruntime may: {_said(error)}"
            ) from error
        self._output = choose_output(outputs, output, network)
        self._busy = threading.Lock()  # a network serves one caller at a time

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        wanted = zip(self._shape[1:], batch.shape[1:], strict=False)
        if len(self._shape) != batch.ndim or any(side not in (0, given) for side, given in wanted):
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}, only {self._shape}"
            )
        try:
            with self._busy:
                self._network.setInput(batch)
                return np.array(self._network.forward(self._output), np.float32)
        except cv2.error as error:
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}: {_said(error)}"
            ) from error


def _said(error: Exception) -> str:
    """What OpenCV says, in one line."""
    return " ".join(str(error).split())


def open(network: Path, output: str | None) -> OpenCv:
    """Open `network` with OpenCV; see `catalog.networks.engines.choice.open_engine`."""
    return OpenCv(network, output)
