"""Run networks with ONNX Runtime.

From version 1.29 on it would report to its maker, and keep what it could not send in the user's
cache folder. It reads whether it may when it is imported. A version is refused until somebody has
tried that it obeys: tests/system/test_offline.py.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import cast

from catalog.core.errors import FeaturizerError, SurroundingsError
from catalog.core.vectors import Tensor
from catalog.networks.engines.base import choose_output

TRIED = (1, 32)  # the newest that the tests ran with; also in setup.py


def refuse_untried(found: str) -> None:
    """Raise SurroundingsError for a version that is newer than those that the tests ran with."""
    if tuple(int(part) for part in found.split(".")[:2]) > TRIED:
        raise SurroundingsError(
            f"onnxruntime {found} is newer than any that was tried, and could report to its "
            "maker; install an older one: pip install 'onnxruntime<1.33'"
        )


os.environ["ORT_DISABLE_TELEMETRY"] = "1"
refuse_untried(version("onnxruntime"))
import onnxruntime  # noqa: E402


class OnnxRuntime:
    """An ONNX Runtime session on one thread that sleeps between runs."""

    name = "onnxruntime"

    def __init__(self, network: Path, output: str | None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # the arena alone would hold 60 MB
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(network), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the package's own exceptions have no common root
            raise FeaturizerError(f"{network}: onnxruntime cannot open it: {error}") from error
        self._input = self._session.get_inputs()[0].name
        self.one_by_one = self._session.get_inputs()[0].shape[:1] == [1]
        outputs = [info.name for info in self._session.get_outputs()]
        self._output = choose_output(outputs, output, network)

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        try:
            return cast(Tensor, self._session.run([self._output], {self._input: batch})[0])
        except Exception as error:
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}: {error}"
            ) from error


def open(network: Path, output: str | None) -> OnnxRuntime:
    """Open `network` with ONNX Runtime; see `catalog.networks.engines.choice.open_engine`."""
    return OnnxRuntime(network, output)
