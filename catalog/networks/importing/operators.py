"""Convert MXNet's operators to ONNX: a small function for each, in `OPERATORS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from catalog.networks.importing.graph import Graph
from catalog.networks.importing.symbol import Node

LOWEST = float(np.finfo(np.float32).min)
Convert = Callable[[Graph, Node, list[str]], None]


def convolution(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert a two-dimensional convolution, with or without groups."""
    kernel = node.value("kernel", ())
    if len(kernel) != 2 or node.value("layout") not in (None, "None", "NCHW"):
        graph.refuse(node, "only two-dimensional NCHW is converted")
    used = inputs[:2] if node.value("no_bias", default=False) else inputs[:3]
    graph.add(
        "Conv",
        [used[0], *map(graph.use, used[1:])],
        node.output,
        kernel_shape=kernel,
        strides=_pair(node, "stride", 1),
        pads=_pair(node, "pad", 0) * 2,
        dilations=_pair(node, "dilate", 1),
        group=int(node.value("num_group", 1)),
    )


def batch_norm(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert batch normalisation by moving averages; with ``fix_gamma``, gamma is 1."""
    if node.value("axis", 1) != 1:
        graph.refuse(node, "only axis 1 is converted")
    gamma, beta = inputs[1:3]
    # Before MXNet 0.9 the averages were not among a node's inputs.
    averages = inputs[3:5] or [f"{node.name}_moving_mean", f"{node.name}_moving_var"]
    if node.value("fix_gamma", default=True):
        gamma = graph.constant(f"{gamma}_fixed", np.ones_like(graph.parameter(gamma)))
    for name in (beta, *averages):
        graph.parameter(name)
    graph.add(
        "BatchNormalization",
        [inputs[0], *map(graph.use, (gamma, beta, *averages))],
        node.output,
        epsilon=float(node.value("eps", 1e-3)),
    )


def activation(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert an activation by its name."""
    kind = node.value("act_type")
    names = {
        "relu": "Relu",
        "sigmoid": "Sigmoid",
        "tanh": "Tanh",
        "softrelu": "Softplus",
        "softsign": "Softsign",
    }
    if kind not in names:
        graph.refuse(node, f"act_type {kind} is not known")
    graph.add(names[kind], inputs[:1], node.output)


def leaky_relu(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert the family of activations that MXNet calls LeakyReLU."""
    kind = node.value("act_type", "leaky")
    slope = float(node.value("slope", 0.25))
    if kind == "leaky":
        graph.add("LeakyRelu", inputs[:1], node.output, alpha=slope)
    elif kind == "elu":
        graph.add("Elu", inputs[:1], node.output, alpha=slope)
    elif kind == "selu":
        graph.add("Selu", inputs[:1], node.output)
    elif kind == "rrelu":
        bounds = float(node.value("lower_bound", 0.125)), float(node.value("upper_bound", 0.334))
        graph.add("LeakyRelu", inputs[:1], node.output, alpha=sum(bounds) / 2)
    elif kind == "prelu":
        gamma = graph.parameter(inputs[1]).reshape(-1, 1, 1)
        name = graph.constant(f"{inputs[1]}_by_channel", gamma)
        graph.add("PRelu", [inputs[0], name], node.output)
    else:
        graph.refuse(node, f"act_type {kind} is not known")


def pooling(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert pooling by maximum or average.

    MXNet's "full" convention rounds the size of the output up.
    """
    kind = node.value("pool_type", "max")
    if kind not in ("max", "avg"):
        graph.refuse(node, f"pool_type {kind} is not known")
    if node.value("global_pool", default=False):
        graph.add(
            "GlobalMaxPool" if kind == "max" else "GlobalAveragePool", inputs[:1], node.output
        )
        return
    kernel, strides = node.value("kernel", ()), _pair(node, "stride", 1)
    pads = _pair(node, "pad", 0) * 2
    convention = node.value("pooling_convention", "valid")
    if len(kernel) != 2 or node.value("layout") not in (None, "None", "NCHW"):
        graph.refuse(node, "only two-dimensional NCHW is converted")
    if convention not in ("valid", "full"):
        graph.refuse(node, f"pooling_convention {convention} is not known")
    counted = bool(node.value("count_include_pad", default=True))
    source, ceil = inputs[0], convention == "full"
    if ceil and any(side < step for side, step in zip(kernel, strides, strict=True)):
        graph.refuse(node, "windows smaller than their stride, rounded up, are not converted")
    if ceil and any(pads) and (kind == "max" or counted):
        # Runtimes disagree about windows that overhang the padding, so the input itself is padded.
        value = LOWEST if kind == "max" else 0.0
        source = _pad(graph, node, source, [0, 0, *pads[:2], 0, 0, *pads[2:]], value)
        pads = [0, 0, 0, 0]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    if kind == "avg":
        # A padded input counts by itself, and what overhangs a rounded-up size never counts.
        attributes["count_include_pad"] = int(counted and not ceil)
    graph.add(
        "MaxPool" if kind == "max" else "AveragePool",
        [source],
        node.output,
        ceil_mode=int(ceil),
        **attributes,
    )


def fully_connected(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert a dense layer, which flattens its input unless ``flatten`` is false."""
    bias = [] if node.value("no_bias", default=False) else [graph.use(inputs[2])]
    if node.value("flatten", default=True):
        flat = graph.add("Flatten", inputs[:1], f"{node.name}_flat", axis=1)
        graph.add("Gemm", [flat, graph.use(inputs[1]), *bias], node.output, transB=1)
        return
    weight = graph.constant(f"{inputs[1]}_turned", graph.parameter(inputs[1]).T)
    product = graph.add(
        "MatMul", [inputs[0], weight], f"{node.name}_product" if bias else node.output
    )
    if bias:
        graph.add("Add", [product, *bias], node.output)


def flatten(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert the flattening of each picture's numbers to one row."""
    graph.add("Flatten", inputs[:1], node.output, axis=1)


def concat(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert the concatenation along an axis."""
    graph.add("Concat", list(map(graph.use, inputs)), node.output, axis=int(node.value("dim", 1)))


def clip(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert clipping between two bounds, as in ReLU6."""
    bounds = [
        graph.constant(f"{node.name}_{key}", np.array(float(node.value(key)), np.float32))
        for key in ("a_min", "a_max")
    ]
    graph.add("Clip", [inputs[0], *bounds], node.output)


def pad(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert padding, for which MXNet gives (before, after) for each axis."""
    widths = [int(width) for width in node.value("pad_width", ())]
    value = float(node.value("constant_value", 0))
    mode = str(node.value("mode", "constant"))
    if mode not in ("constant", "edge", "reflect"):
        graph.refuse(node, f"mode {mode} is not known")
    _pad(graph, node, inputs[0], widths[::2] + widths[1::2], value, mode, node.output)


def lrn(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert local response normalisation across channels."""
    graph.add(
        "LRN",
        inputs[:1],
        node.output,
        size=int(node.value("nsize")),
        alpha=float(node.value("alpha", 1e-4)),
        beta=float(node.value("beta", 0.75)),
        bias=float(node.value("knorm", 2)),
    )


def reshape(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert a reshape with the plain codes: a size, 0 for the old size, -1 for the rest."""
    shape = [int(side) for side in node.value("shape", ())]
    if not shape or min(shape) < -1 or node.value("reverse", default=False):
        graph.refuse(node, f"the shape {tuple(shape)} is not converted")
    target = graph.constant(f"{node.name}_shape", np.array(shape, np.int64))
    graph.add("Reshape", [inputs[0], target], node.output)


def mean(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert the mean over some axes."""
    axes = node.value("axis", ())
    axes = [axes] if isinstance(axes, int) else list(axes or ())
    if not axes or node.value("exclude", default=False):
        graph.refuse(node, "only with axes that are named")
    keep = int(bool(node.value("keepdims", default=False)))
    graph.add("ReduceMean", inputs[:1], node.output, axes=axes, keepdims=keep)


def softmax(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Convert a softmax; the label, which a loss needs in training, is dropped."""
    graph.add("Softmax", inputs[:1], node.output, axis=int(node.value("axis", 1)))


def _same(operator: str) -> Convert:
    """Return a function that converts an operator without attributes to another name."""

    def convert(graph: Graph, node: Node, inputs: list[str]) -> None:
        graph.add(operator, list(map(graph.use, inputs)), node.output)

    return convert


def _first(operator: str) -> Convert:
    """Return a function that converts an operator of one input; others matter in training only."""

    def convert(graph: Graph, node: Node, inputs: list[str]) -> None:
        graph.add(operator, inputs[:1], node.output)

    return convert


def _scalar(operator: str, *, scalar_first: bool = False) -> Convert:
    """Return a function that converts arithmetic with one number."""

    def convert(graph: Graph, node: Node, inputs: list[str]) -> None:
        number = np.array(float(node.value("scalar", 0)), np.float32)
        pair = [inputs[0], graph.constant(f"{node.name}_scalar", number)]
        graph.add(operator, pair[::-1] if scalar_first else pair, node.output)

    return convert


def _pair(node: Node, key: str, default: int) -> list[int]:
    pair = node.value(key, ())
    return [int(number) for number in pair] if pair else [default, default]


def _pad(
    graph: Graph,
    node: Node,
    source: str,
    pads: list[int],
    value: float,
    mode: str = "constant",
    output: str | None = None,
) -> str:
    amounts = graph.constant(f"{node.name}_pads", np.array(pads, np.int64))
    filling = graph.constant(f"{node.name}_filling", np.array(value, np.float32))
    inputs = [source, amounts, filling] if mode == "constant" else [source, amounts]
    return graph.add("Pad", inputs, output or f"{node.name}_padded", mode=mode)


OPERATORS: dict[str, Convert] = {
    "Activation": activation,
    "BatchNorm": batch_norm,
    "BatchNorm_v1": batch_norm,
    "CuDNNBatchNorm": batch_norm,
    "Concat": concat,
    "Convolution": convolution,
    "Convolution_v1": convolution,
    "Flatten": flatten,
    "FullyConnected": fully_connected,
    "LRN": lrn,
    "LeakyReLU": leaky_relu,
    "Pad": pad,
    "Pooling": pooling,
    "Pooling_v1": pooling,
    "Reshape": reshape,
    "clip": clip,
    "concat": concat,
    "flatten": flatten,
    "mean": mean,
    "pad": pad,
    "reshape": reshape,
}
for _names, _convert in (
    ("elemwise_add _Plus _plus broadcast_add broadcast_plus", _same("Add")),
    ("elemwise_sub _Minus _minus _sub broadcast_sub broadcast_minus", _same("Sub")),
    ("elemwise_mul _Mul _mul broadcast_mul", _same("Mul")),
    ("elemwise_div _Div _div broadcast_div", _same("Div")),
    ("_Maximum _maximum broadcast_maximum", _same("Max")),
    ("_Minimum _minimum broadcast_minimum", _same("Min")),
    ("ElementWiseSum add_n", _same("Sum")),
    ("Dropout identity _copy BlockGrad stop_gradient", _first("Identity")),
    ("LinearRegressionOutput MAERegressionOutput", _first("Identity")),
    ("LogisticRegressionOutput sigmoid", _first("Sigmoid")),
    ("relu", _first("Relu")),
    ("tanh", _first("Tanh")),
    ("exp", _first("Exp")),
    ("sqrt", _first("Sqrt")),
    ("abs", _first("Abs")),
    ("negative", _first("Neg")),
    ("SoftmaxOutput Softmax SoftmaxActivation softmax", softmax),
    ("_PlusScalar _plus_scalar", _scalar("Add")),
    ("_MinusScalar _minus_scalar", _scalar("Sub")),
    ("_RMinusScalar _rminus_scalar", _scalar("Sub", scalar_first=True)),
    ("_MulScalar _mul_scalar", _scalar("Mul")),
    ("_DivScalar _div_scalar", _scalar("Div")),
    ("_RDivScalar _rdiv_scalar", _scalar("Div", scalar_first=True)),
    ("_PowerScalar _power_scalar", _scalar("Pow")),
    ("_MaximumScalar _maximum_scalar", _scalar("Max")),
    ("_MinimumScalar _minimum_scalar", _scalar("Min")),
):
    OPERATORS.update(dict.fromkeys(_names.split(), _convert))
