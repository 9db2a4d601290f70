"""Tiny ONNX networks, made here and now, whose answers can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from catalog.networks.network import Descriptor, write_descriptor

SIDE = 32
GRID = 4
DIMENSIONS = 3 * GRID * GRID


def colour_grid(side: int = SIDE) -> onnx.ModelProto:
    """Mean colours of a 4 x 4 grid: input (n, 3, side, side), ``embedding`` (n, 48).

    Each number stands at channel * 16 + row * 4 + column.
    """
    step = side // GRID
    nodes = [
        helper.make_node(
            "AveragePool", ["input"], ["pooled"], kernel_shape=[step, step], strides=[step, step]
        ),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    return _model(nodes, side, {"embedding": ["n", DIMENSIONS]})


def two_outputs(side: int = SIDE) -> onnx.ModelProto:
    """The colour grid as ``grid``, and the mean colour as ``mean``, in this order."""
    step = side // GRID
    nodes = [
        helper.make_node(
            "AveragePool", ["input"], ["pooled"], kernel_shape=[step, step], strides=[step, step]
        ),
        helper.make_node("Flatten", ["pooled"], ["grid"]),
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
    ]
    return _model(nodes, side, {"grid": ["n", DIMENSIONS], "mean": ["n", 3, 1, 1]})


def feature_map(side: int = SIDE) -> onnx.ModelProto:
    """An output that is no vector: (n, 3, 4, 4)."""
    step = side // GRID
    pool = helper.make_node(
        "AveragePool", ["input"], ["embedding"], kernel_shape=[step, step], strides=[step, step]
    )
    return _model([pool], side, {"embedding": ["n", 3, GRID, GRID]})


def logarithm(side: int = SIDE) -> onnx.ModelProto:
    """Logarithms of mean colours: not a number wherever a mean is below zero."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("Log", ["mean"], ["logs"]),
        helper.make_node("Flatten", ["logs"], ["embedding"]),
    ]
    return _model(nodes, side, {"embedding": ["n", 3]})


def convolution(side: int = SIDE) -> onnx.ModelProto:
    """Random weights through the usual layers: Conv, Relu, Conv, pooling; (n, 64)."""
    random = np.random.default_rng(11)
    weights = [
        ("one", random.normal(0, 0.3, (16, 3, 3, 3))),
        ("two", random.normal(0, 0.2, (64, 16, 3, 3))),
    ]
    nodes = [
        helper.make_node("Conv", ["input", "one"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "two"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["embedding"]),
    ]
    initial = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights]
    return _model(nodes, side, {"embedding": ["n", 64]}, initial)


def write_network(model: onnx.ModelProto, path: Path) -> Path:
    """Write the network; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def write_featurizer(folder: Path, model: onnx.ModelProto | None = None) -> Path:
    """Write a featurizer folder, of the colour grid unless told; returns it."""
    write_network(model or colour_grid(), folder / "network.onnx")
    descriptor = Descriptor(
        name="colour-grid", network="network.onnx", output="embedding", size=SIDE, resize="squash"
    )
    write_descriptor(descriptor, folder)
    return folder


def _model(
    nodes: list[onnx.NodeProto],
    side: int,
    outputs: dict[str, list[str | int]],
    initial: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, side, side])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        initial or [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model
