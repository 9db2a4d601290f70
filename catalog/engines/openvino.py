"""Networks run by OpenVINO."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openvino

from catalog.engines.engine import Tensor, choose_output
from catalog.errors import FeaturizerError

SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",  # else a CPU with bfloat16 answers differently
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}


class OpenVino:
    """An OpenVINO request on one CPU thread."""

    name = "openvino"

    def __init__(self, network: Path, output: str | None) -> None:
        try:
            core = openvino.Core()
            model = core.read_model(str(network))
            outputs = [one.get_any_name() for one in model.outputs]
            position = outputs.index(choose_output(outputs, output, network))
            compiled = core.compile_model(model, "CPU", SETTINGS)
        except RuntimeError as error:
            raise FeaturizerError(f"{network}: openvino cannot open it: {error}") from error
        first = compiled.inputs[0].partial_shape[0]
        self.one_by_one = first.is_static and first.get_length() == 1
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


def open(network: Path, output: str | None) -> OpenVino:
    """Open `network` with OpenVINO; see `catalog.engines.engine.open_engine`."""
    return OpenVino(network, output)
