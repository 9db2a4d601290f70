"""Write a run's weights as a featurizer folder: ONNX, MXNet checkpoint, descriptor.

Weights are stored as float16; both engines compute in float32.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError
from catalog.networks.network import Descriptor, write_descriptor
from training.checkpoint import write_checkpoint
from training.errors import plain_errors
from training.network import Network, folded
from training.settings import SETTINGS, Settings, read

OPSET = 13
IR_VERSION = 8

N = TypeVar("N", bound=torch.nn.Module)


def averaged(file: Path, settings: Settings) -> Network:
    """The network with a checkpoint's averaged weights, batch norms folded."""
    n = settings.network
    network = Network(n.stem, n.widths, n.blocks, n.last, n.dimensions)
    network.load_state_dict(torch.load(file, weights_only=True)["average"])
    return folded(network)


def rounded(network: N) -> N:
    """The same network, every weight set to the nearest float16: what both writers store.

    Raises:
        FeaturizerError: A weight is beyond float16.
    """
    with torch.no_grad():
        for name, values in network.named_parameters():
            half = values.half()
            if not torch.isfinite(half).all():
                raise FeaturizerError(f"{name} has a weight that float16 cannot hold")
            values.copy_(half)
    return network


def traced(network: torch.nn.Module, size: int, output: str) -> onnx.ModelProto:
    """The network as an ONNX model with a free batch."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, size, size),),
            str(file),
            opset_version=OPSET,
            input_names=["input"],
            output_names=[output],
            dynamic_axes={"input": {0: "batch"}, output: {0: "batch"}},
            dynamo=False,
        )
        model = onnx.load(file)
    return model


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large initialiser of a rounded network as float16; the graph casts it back."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 16:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        casts.append(
            helper.make_node("Cast", [tensor.name + ".half"], [tensor.name], to=TensorProto.FLOAT)
        )
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name + ".half"))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "visual-search", "", ""
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(model)
    return model


def write(network: Network, descriptor: Descriptor, folder: Path) -> None:
    """Write a folded network into a featurizer folder that is there; its weights are rounded."""
    network = rounded(network)
    model = halved(traced(network, descriptor.size, "embedding"))
    (folder / descriptor.network).write_bytes(model.SerializeToString())
    write_checkpoint(network, folder)
    write_descriptor(descriptor, folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--resize", choices=["squash", "crop", "letterbox"], default="crop")
    parser.add_argument("--short-side", type=int, help="of crop")
    options = parser.parse_args(arguments)
    settings = read(options.settings)
    descriptor = Descriptor(
        name="embedded",
        network="network.onnx",
        output="embedding",
        size=options.size,
        mean=settings.input.mean,
        std=settings.input.std,
        resize=options.resize,
        short_side=options.short_side,
        dimensions=settings.network.dimensions,
        licence="Apache-2.0",
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    write(averaged(options.checkpoint, settings), descriptor, options.folder)


if __name__ == "__main__":
    with plain_errors():
        main()
