"""Networks that MXNet itself makes, saves and answers for."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _imported() -> Any:
    """MXNet; None beside a numpy that it cannot use, where its tests are not selected."""
    if importlib.util.find_spec("mxnet") is None:
        return None
    importlib.import_module("catalog.networks.engines.mxnet")  # puts back what it misses in numpy
    return importlib.import_module("mxnet")


mx: Any = _imported()

Tensor = NDArray[np.float32]
SIDE = 32


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk, and its symbol with its parameters for asking MXNet."""

    symbol_file: Path
    parameter_file: Path
    symbol: Any
    parameters: dict[str, Any]

    def answer(self, data: Tensor, layer: str) -> Tensor:
        """What MXNet computes at a layer for float32 (n, 3, h, w)."""
        internals = self.symbol.get_internals()
        executor = internals[layer].simple_bind(mx.cpu(), grad_req="null", data=data.shape)
        for held in (executor.arg_dict, executor.aux_dict):
            for name in held:
                if name in self.parameters:
                    held[name][:] = self.parameters[name]
        executor.arg_dict["data"][:] = data
        return np.asarray(executor.forward(is_train=False)[0].asnumpy(), np.float32)


def save(symbol: Any, folder: Path, epoch: int = 0, side: int = SIDE, seed: int = 1) -> Saved:
    """Give a symbol random parameters and save it as MXNet does."""
    random = np.random.default_rng(seed)
    arguments, _, auxiliaries = symbol.infer_shape(data=(1, 3, side, side))
    parameters = {}
    tagged = {}
    for kind, names, shapes in (
        ("arg", symbol.list_arguments(), arguments),
        ("aux", symbol.list_auxiliary_states(), auxiliaries),
    ):
        for name, shape in zip(names, shapes, strict=True):
            if name == "data" or name.endswith("label"):
                continue
            values = random.normal(0, 0.3, shape)
            if name.endswith(("gamma", "var")):
                values = random.uniform(0.5, 2, shape)
            parameters[name] = mx.nd.array(values.astype(np.float32))
            tagged[f"{kind}:{name}"] = parameters[name]
    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / "net"
    symbol.save(f"{prefix}-symbol.json")
    mx.nd.save(f"{prefix}-{epoch:04d}.params", tagged)
    files = folder / "net-symbol.json", folder / f"net-{epoch:04d}.params"
    return Saved(*files, symbol, parameters)


def pictures(count: int = 2, side: int = SIDE) -> Tensor:
    """Input that is as large as pixels are."""
    random = np.random.default_rng(9)
    return random.uniform(-1, 1, (count, 3, side, side)).astype(np.float32)


def residual() -> Any:
    """A small residual network with the layers and names of MXNet's ResNets."""
    sym = mx.sym
    net = sym.BatchNorm(sym.Variable("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    net = sym.Convolution(
        net, num_filter=8, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0"
    )
    net = sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn0")
    net = sym.Activation(net, act_type="relu", name="relu0")
    net = sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max", name="p0")
    branch = sym.Convolution(net, num_filter=8, kernel=(3, 3), pad=(1, 1), num_group=4, name="c1")
    branch = sym.BatchNorm(branch, name="bn1")
    net = sym.Activation(net + branch, act_type="relu", name="relu1")
    net = sym.Pooling(net, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    net = sym.Flatten(net, name="flatten0")
    net = sym.FullyConnected(net, num_hidden=5, name="fc1")
    return sym.SoftmaxOutput(net, name="softmax")


def pooled_classifier() -> Any:
    """A network that ends in a convolution, as SqueezeNet does; its features are a map."""
    sym = mx.sym
    net = sym.Convolution(sym.Variable("data"), num_filter=6, kernel=(3, 3), name="conv1")
    left = sym.Activation(net, act_type="relu", name="left")
    right = sym.LeakyReLU(net, act_type="elu", slope=0.3, name="right")
    net = sym.Dropout(sym.Concat(left, right, name="both"), p=0.5, name="drop")
    net = sym.Convolution(net, num_filter=4, kernel=(1, 1), pad=(1, 1), name="conv2")
    net = sym.Activation(net, act_type="relu", name="relu2")
    net = sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg", name="pool2")
    return sym.SoftmaxOutput(sym.Flatten(net, name="flatten"), name="softmax")


def wide() -> Any:
    """A small network with as many features as MXNet's ResNet-50, 2,048."""
    sym = mx.sym
    net = sym.Convolution(
        sym.Variable("data"), num_filter=2048, kernel=(3, 3), stride=(8, 8), name="conv1"
    )
    net = sym.Activation(net, act_type="relu", name="relu1")
    net = sym.Pooling(net, global_pool=True, kernel=(3, 3), pool_type="avg", name="pool1")
    return sym.Flatten(net, name="flatten0")
