"""Stands in for the library of a DeepLens, as its developer guide describes it.

What ``mo.optimize`` wrote is a file that names the checkpoint; MXNet answers in the GPU's place.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.mxnet_networks import mx

frames: list[np.ndarray[Any, Any]] = []  # what the camera shows, one after the other, over again
_shown = itertools.count()


def getLastFrame() -> tuple[bool, np.ndarray[Any, Any] | None]:  # the name of DeepLens
    """Whether there is one, and the newest frame, BGR uint8."""
    if not frames:
        return False, None
    return True, frames[next(_shown) % len(frames)]


class Model:
    """``awscam.Model(model_topology_file, loading_config, runtime=0)``."""

    def __init__(self, topology: str, loading_config: dict[str, int], runtime: int = 0) -> None:
        if (
            not topology.endswith(".xml")
            or runtime != 0
            or loading_config not in ({"GPU": 1}, {"GPU": 0})
        ):
            raise ValueError("not as documented")
        optimised = json.loads(Path(topology).read_text())
        self._symbol = mx.sym.load(optimised["symbol"])
        self._parameters = {
            name.partition(":")[2]: values
            for name, values in mx.nd.load(optimised["parameters"]).items()
        }
        self._shape = (1, 3, optimised["height"], optimised["width"])

    def doInference(  # the name of DeepLens
        self, video_frame: np.ndarray[Any, Any]
    ) -> dict[str, Any]:
        """The output layers of one frame, rows of pixels, by their names."""
        if video_frame.shape != (*self._shape[2:], 3):
            raise ValueError(f"a frame of shape {video_frame.shape}")
        taken = {*self._parameters, *self._symbol.list_auxiliary_states()}
        (name,) = [argument for argument in self._symbol.list_arguments() if argument not in taken]
        executor = self._symbol.simple_bind(mx.cpu(), grad_req="null", **{name: self._shape})
        for held in (executor.arg_dict, executor.aux_dict):
            for parameter in set(held) & set(self._parameters):
                held[parameter][:] = self._parameters[parameter]
        executor.arg_dict[name][:] = video_frame.transpose(2, 0, 1)[None]
        answers = executor.forward(is_train=False)
        names = self._symbol.list_outputs()
        return {
            layer.removesuffix("_output"): answer.asnumpy()[0]
            for layer, answer in zip(names, answers, strict=True)
        }
