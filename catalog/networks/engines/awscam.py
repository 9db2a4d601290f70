"""Run networks with the library of an AWS DeepLens: ``mo`` optimises them once for its GPU.

Only a DeepLens has ``awscam`` and ``mo``. Both are called as its developer guide says:
``mo.optimize(name, width, height, platform, aux_inputs) -> (status, path)``, 0 is success;
``awscam.Model(path, {"GPU": 1}).doInference(frame) -> {layer: numbers}``, one frame at a time.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path

import awscam
import mo
import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.settings import CatalogSettings, load
from catalog.core.vectors import Tensor
from catalog.networks.engines.checkpoint import (
    PARAMETERS_FILE,
    SYMBOL_FILE,
    parameters_of,
    require_checkpoint,
    write_checkpoint,
)

MODEL = SYMBOL_FILE.removesuffix("-symbol.json")
FOLDER = "optimized"  # below the build cache
STATUS = {
    1: "the network cannot be converted",
    2: "the network is not where it was looked for",
}

log = logging.getLogger(__name__)


class Awscam:
    """A network on the GPU of a DeepLens; optimised at the first input, which tells the size."""

    name = "awscam"
    one_by_one = False  # it takes any number of pictures

    def __init__(self, network: Path) -> None:
        require_checkpoint(network, self.name)
        self._network = network
        self._folder = network.parent
        self._busy = threading.Lock()
        self._size: tuple[int, int] = (0, 0)
        self._model: awscam.Model | None = None

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, d)."""
        if batch.ndim != 4 or batch.shape[1] != 3:
            raise FeaturizerError(f"the network cannot take an input of shape {batch.shape}")
        with self._busy:
            height, width = batch.shape[2:]
            if self._model is None or self._size != (height, width):
                self._model = self._open(height, width)
                self._size = (height, width)
            # A frame is rows of pixels; the library itself puts the channels first.
            frames = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
            return np.stack([self._answer(frame) for frame in frames])

    def _answer(self, frame: Tensor) -> Tensor:
        assert self._model is not None
        answer = self._model.doInference(frame)
        if len(answer) != 1:
            raise FeaturizerError(
                f"{self._folder}: awscam gave {len(answer)} layers "
                f"({', '.join(map(str, answer))}), wanted is one"
            )
        return np.asarray(next(iter(answer.values())), np.float32).ravel()

    def _open(self, height: int, width: int) -> awscam.Model:
        digest = hashlib.sha256((self._folder / SYMBOL_FILE).read_bytes())
        digest.update(parameters_of(self._network))
        cache = load("catalog", CatalogSettings).cache
        out = cache / FOLDER / f"{digest.hexdigest()[:16]}-{width}x{height}"
        out.mkdir(parents=True, exist_ok=True)
        models = self._folder
        if not (models / PARAMETERS_FILE).is_file():
            models = out
            write_checkpoint(self._network, models)
        log.info("optimizing the network for this device's GPU; this may take minutes")
        status, path = mo.optimize(
            MODEL,
            width,
            height,
            "MXNet",
            {
                "--models-dir": str(models),
                "--output-dir": str(out),
                "--epoch": 0,
                "--precision": "FP32",  # else vectors differ from those of other engines
                "--img-channels": 3,
            },
        )
        if status != 0:
            reason = STATUS.get(status, "see its log")
            raise FeaturizerError(
                f"{self._folder}: mo could not optimize the network (status {status}: {reason})"
            )
        return awscam.Model(path, {"GPU": 1})


def open(network: Path, output: str | None) -> Awscam:
    """Open the checkpoint beside `network`; see `choice.open_engine`."""
    return Awscam(network)
