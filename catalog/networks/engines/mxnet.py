"""Run networks with MXNet 1.9.1: the checkpoint that a network's folder has."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.vectors import Tensor
from catalog.networks.engines.checkpoint import SYMBOL_FILE, parameters_of, require_checkpoint

# Read when MXNet is imported. One thread, like the other engines.
for _variable, _value in (("OMP_NUM_THREADS", "1"), ("MXNET_SUBGRAPH_VERBOSE", "0")):
    os.environ.setdefault(_variable, _value)
# MXNet is older than the removal of this name from numpy.
if "bool" not in np.__dict__:
    setattr(np, "bool", np.bool_)  # noqa: B010  # mypy knows no such name either

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about names of an older numpy that it uses
    import mxnet


class Mxnet:
    """An MXNet symbol on one CPU thread; bound again when the shape of the input changes."""

    name = "mxnet"
    one_by_one = False  # it takes any number of pictures

    def __init__(self, network: Path) -> None:
        require_checkpoint(network, self.name)
        folder, parameters = network.parent, parameters_of(network)
        try:
            self._symbol = mxnet.sym.load(str(folder / SYMBOL_FILE))
            loaded = mxnet.nd.load_frombuffer(parameters)
        except (mxnet.MXNetError, OSError, ValueError) as error:
            raise FeaturizerError(f"{folder}: mxnet cannot open its checkpoint: {error}") from error
        self._parameters = {name.partition(":")[2]: values for name, values in loaded.items()}
        taken = {*self._parameters, *self._symbol.list_auxiliary_states()}
        inputs = [name for name in self._symbol.list_arguments() if name not in taken]
        if len(inputs) != 1:
            raise FeaturizerError(
                f"{folder}: its checkpoint lacks parameters: wanted is one input, it has "
                f"{', '.join(inputs) or 'none'}"
            )
        self._input = inputs[0]
        self._network = network
        self._busy = threading.Lock()  # an executor serves one caller at a time
        self._shape: tuple[int, ...] = ()
        self._executor: Any = None

    def run(self, batch: Tensor) -> Tensor:
        """Run float32 (n, 3, height, width) and return the output, float32 (n, ...)."""
        try:
            with self._busy:
                if batch.shape != self._shape:
                    self._bind(batch.shape)
                self._executor.arg_dict[self._input][:] = batch
                (output,) = self._executor.forward(is_train=False)
                return np.asarray(output.asnumpy(), np.float32)
        except (mxnet.MXNetError, ValueError) as error:
            raise FeaturizerError(
                f"the network cannot take an input of shape {batch.shape}: {error}"
            ) from error

    def _bind(self, shape: tuple[int, ...]) -> None:
        self._shape = ()
        self._executor = self._symbol.simple_bind(
            mxnet.cpu(), grad_req="null", **{self._input: shape}
        )
        self._executor.copy_params_from(
            {k: v for k, v in self._parameters.items() if k in self._executor.arg_dict},
            {k: v for k, v in self._parameters.items() if k in self._executor.aux_dict},
        )
        self._shape = shape


def open(network: Path, output: str | None) -> Mxnet:
    """Open the checkpoint beside `network`; see `choice.open_engine`."""
    return Mxnet(network)
