"""The network as an MXNet 1.x checkpoint, written without MXNet; weights stored as float16."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from catalog.networks.engines.checkpoint import PARAMETERS_FILE, SYMBOL_FILE
from catalog.networks.engines.params import Array, write_arrays
from training.network import Block, Network, Unit

VERSION = 10901  # of the MXNet whose operators are used
GLOBAL = {"global_pool": "True", "kernel": "(1, 1)"}


class Graph:
    """A symbol's nodes in order, and the parameters that they take."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.parameters: dict[str, Array] = {}

    def add(self, operator: str, name: str, *inputs: int, **attributes: object) -> int:
        """Append an operator on the first outputs of other nodes; returns its number."""
        node: dict[str, Any] = {"op": operator, "name": name}
        if attributes:
            node["attrs"] = {key: str(value) for key, value in attributes.items()}
        self.nodes.append({**node, "inputs": [[number, 0, 0] for number in inputs]})
        return len(self.nodes) - 1

    def weighted(self, operator: str, name: str, source: int, layer: Any, **attributes: Any) -> int:
        """Append an operator with the weight and bias of a torch layer."""
        inputs = [source]
        for kind in ("weight", "bias"):
            values: Tensor = getattr(layer, kind).detach()
            half = values.numpy().astype(np.float16)  # exact: see `training.export.rounded`
            self.parameters[f"arg:{name}_{kind}"] = np.ascontiguousarray(half)
            inputs.append(self.add("null", f"{name}_{kind}"))
        return self.add(operator, name, *inputs, **attributes)

    def unit(self, name: str, source: int, unit: Unit) -> int:
        """Append a convolution whose batch norm has been folded into it."""
        layer = unit[0]
        if not isinstance(layer, nn.Conv2d) or not isinstance(unit[1], nn.Identity):
            raise ValueError(f"{name}: fold the batch norms first")
        shape = {"kernel": layer.kernel_size, "stride": layer.stride, "pad": layer.padding}
        return self.weighted(
            "Convolution", name, source, layer, num_filter=layer.out_channels, **shape
        )

    def relu(self, name: str, source: int) -> int:
        """Append a rectifier."""
        return self.add("Activation", name, source, act_type="relu")

    def block(self, name: str, source: int, block: Block) -> int:
        """Append two convolutions beside a shortcut."""
        inner = self.relu(f"{name}_relu1", self.unit(f"{name}_conv1", source, block.first))
        inner = self.unit(f"{name}_conv2", inner, block.second)
        if isinstance(block.shortcut, Unit):
            source = self.unit(f"{name}_shortcut", source, block.shortcut)
        return self.relu(f"{name}_relu2", self.add("elemwise_add", f"{name}_add", inner, source))

    def write(self, folder: Path) -> None:
        """Write the network, whose last node is its output, into a folder that is there."""
        symbol = {
            "nodes": self.nodes,
            "arg_nodes": [i for i, node in enumerate(self.nodes) if node["op"] == "null"],
            "node_row_ptr": list(range(len(self.nodes) + 1)),
            "heads": [[len(self.nodes) - 1, 0, 0]],
            "attrs": {"mxnet_version": ["int", VERSION]},
        }
        text = json.dumps(symbol, indent=1)
        (folder / SYMBOL_FILE).write_text(text + "\n", encoding="utf-8")
        write_arrays(folder / PARAMETERS_FILE, self.parameters)


def write_checkpoint(network: Network, folder: Path) -> None:
    """Write a folded and rounded network beside its ONNX file."""
    graph = Graph()
    at = graph.add("null", "data")
    for number, layer in enumerate(network.features):
        name = f"features{number}"
        if isinstance(layer, Block):
            at = graph.block(name, at, layer)
        elif isinstance(layer, Unit):
            at = graph.unit(name, at, layer)
        else:
            at = graph.relu(name, at)
    pools = [
        graph.add("Pooling", f"{kind}_pool", at, pool_type=kind, **GLOBAL)
        for kind in ("avg", "max")
    ]
    both = graph.add("Flatten", "pooled", graph.add("Concat", "both", *pools, dim=1, num_args=2))
    dense = network.embedding
    graph.weighted("FullyConnected", "embedding", both, dense, num_hidden=dense.out_features)
    graph.write(folder)
