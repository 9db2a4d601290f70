"""Write a run's weights as a featurizer folder: ONNX, MXNet checkpoint, descriptor.

Weights are stored as float16; both engines compute in float32.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training.checkpoint import write_checkpoint
from training.network import Network, folded
from training.settings import Settings, read

OPSET = 13
IR_VERSION = 8


@dataclass(frozen=True)
class Fitting:
    """How a picture is brought to the network's size; the fields of the descriptor."""

    size: int
    resize: str
    short_side: int | None


def averaged(file: Path, settings: Settings) -> Network:
    """The network with a checkpoint's averaged weights, batch norms folded."""
    n = settings.network
    network = Network(n.stem, n.widths, n.blocks, n.last, n.dimensions)
    network.load_state_dict(torch.load(file, weights_only=True)["average"])
    return folded(network)


def traced(network: Network, size: int) -> onnx.ModelProto:
    """The network as an ONNX model with a free batch."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, size, size),),
            str(file),
            opset_version=OPSET,
            input_names=["input"],
            output_names=["embedding"],
            dynamic_axes={"input": {0: "batch"}, "embedding": {0: "batch"}},
            dynamo=False,
        )
        model = onnx.load(file)
    return model


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large float32 initialiser as float16 and cast it back in the graph."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 16:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{tensor.name} does not fit float16")
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


def descriptor(settings: Settings, how: Fitting, name: str) -> dict[str, object]:
    """The description that the product reads beside the network."""
    return {
        "format": 1,
        "name": name,
        "network": "network.onnx",
        "output": "embedding",
        "dimensions": settings.network.dimensions,
        "size": how.size,
        "channels": "rgb",
        "mean": settings.input.mean,
        "std": settings.input.std,
        "resize": how.resize,
        "short_side": how.short_side,
        "licence": "Apache-2.0",
    }


def write(
    network: Network, settings: Settings, folder: Path, how: Fitting, name: str = "embedded"
) -> None:
    """Write a folded network as a featurizer folder."""
    model = halved(traced(network, how.size))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    write_checkpoint(network, folder)
    text = json.dumps(descriptor(settings, how, name), indent=2)
    (folder / "descriptor.json").write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=Path, default=Path(__file__).parent / "settings.toml")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--resize", choices=["squash", "crop", "letterbox"], default="crop")
    parser.add_argument("--short-side", type=int, help="of crop")
    options = parser.parse_args(arguments)
    settings = read(options.settings)
    how = Fitting(options.size, options.resize, options.short_side)
    write(averaged(options.checkpoint, settings), settings, options.folder, how)


if __name__ == "__main__":
    main()
