"""Run networks with OpenVINO.

When it is imported it would report that to its maker, and leave a file in the user's home, by a
package beside it. Without that package it reports nothing.
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor
from catalog.networks.engines.base import choose_output

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # as if it were not installed
import openvino  # noqa: E402

SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",  # else a CPU with bfloat16 and any GPU answer differently
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}
ONE_THREAD = {"INFERENCE_NUM_THREADS": 1}

log = logging.getLogger(__name__)


class OpenVino:
    """An OpenVINO request on one CPU thread, or on a GPU.

    Attributes:
        name: "openvino", or "openvino:GPU" where a GPU runs it.
    """

    def __init__(self, network: Path, output: str | None, device: str) -> None:
        try:
            core = openvino.Core()
            model = core.read_model(str(network))
            outputs = [port.get_any_name() for port in model.outputs]
            position = outputs.index(choose_output(outputs, output, network))
            compiled, device = _compile(core, model, device)
        except RuntimeError as error:
            raise FeaturizerError(f"{network}: openvino cannot open it: {error}") from error
        first = compiled.inputs[0].partial_shape[0]
        self.one_by_one = first.is_static and first.get_length() == 1
        self.name = "openvino" if device == "CPU" else f"openvino:{device}"
        self._busy = threading.Lock()  # a request serves one caller at a time
        self._request = compiled.create_infer_request()
        self._output = compiled.outputs[position]

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        try:
            with self._busy:
                results = self._request.infer([batch], share_inputs=True)
                return np.array(results[self._output], np.float32)
        except RuntimeError as error:
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}: {error}"
            ) from error


def open(network: Path, output: str | None, device: str = "CPU") -> OpenVino:
    """Open `network` with OpenVINO; see `catalog.networks.engines.choice.open_engine`."""
    return OpenVino(network, output, device)


def _compile(core: Any, model: Any, device: str) -> tuple[Any, str]:
    """Compile the model and return it with the device: the CPU where the other cannot run it."""
    if device != "CPU":
        try:
            return core.compile_model(model, device, SETTINGS), device
        except RuntimeError as error:
            here = ", ".join(core.available_devices)
            log.warning("openvino cannot use the %s, so the CPU runs the network", device)
            log.warning("it sees %s; %s", here, str(error).strip().splitlines()[-1])
    return core.compile_model(model, "CPU", SETTINGS | ONE_THREAD), "CPU"
