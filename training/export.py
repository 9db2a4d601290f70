"""Write a checkpoint as `network.onnx`, weights stored as float16, and `descriptor.json`."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training.network import Network, folded
from training.settings import Settings, read

OPSET = 13
IR_VERSION = 8


def averaged(file: Path, settings: Settings) -> Network:
    """The network with a checkpoint's averaged weights, batch norms folded."""
    n = settings.network
    network = Network(n.stem, n.widths, n.blocks, n.dimensions)
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


def descriptor(
    settings: Settings, size: int, resize: str, short_side: int | None
) -> dict[str, object]:
    """The description that the product reads beside the network."""
    return {
        "format": 1,
        "name": "embedded",
        "network": "network.onnx",
        "output": "embedding",
        "dimensions": settings.network.dimensions,
        "size": size,
        "channels": "rgb",
        "mean": settings.input.mean,
        "std": settings.input.std,
        "resize": resize,
        "short_side": short_side,
        "licence": "Apache-2.0",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", type=Path, default=Path(__file__).parent / "settings.toml")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--resize", choices=["squash", "crop", "letterbox"], default="squash")
    parser.add_argument("--short-side", type=int)
    options = parser.parse_args(arguments)
    settings = read(options.settings)
    model = halved(traced(averaged(options.checkpoint, settings), options.size))
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "network.onnx").write_bytes(model.SerializeToString())
    text = json.dumps(
        descriptor(settings, options.size, options.resize, options.short_side), indent=2
    )
    (options.folder / "descriptor.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
