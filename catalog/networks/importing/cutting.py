"""An ONNX network cut at one of its tensors, fed with pictures in our own way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError

INPUT, OUTPUT = "input", "embedding"
DENSE = ("Gemm", "MatMul", "QLinearMatMul", "QGemm")
CONVOLUTIONS = ("Conv", "QLinearConv")
QUANTISED = ("QLinearMatMul", "QGemm", "QLinearConv")  # inputs: tensor, its scale, its zero
HEADS = (
    "Softmax Relu GlobalAveragePool QLinearGlobalAveragePool AveragePool ReduceMean Flatten "
    "Reshape Squeeze Dropout Identity QuantizeLinear DequantizeLinear"
).split()
PASSED = ("Dropout", "Identity")
POOLED = "embedding_pool"
OURS = (INPUT, OUTPUT, POOLED)
IMAGENET = (1000, 1001)  # classes, without and with background
RENAMED = "_of_the_file"


def cut(path: Path, output: str | None) -> tuple[ModelProto, str]:
    """Cut the network at `path`.

    Args:
        path: An ONNX file with one input of pictures: float32 (n, 3, h, w) or (n, h, w, 3).
        output: The tensor to end at; None for ``embedding``, else what feeds the last dense
            layer or pooled classifier, else the last output.

    Returns:
        A network with ``input`` (n, 3, h, w) and ``embedding`` (n, d), a feature map being
        averaged; and the name of the tensor.

    Raises:
        FeaturizerError: Names the file and what is wrong with it.
    """
    try:
        model = onnx.load(path)
    except OSError as error:
        raise FeaturizerError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # protobuf's own errors have no public root
        raise FeaturizerError(f"{path}: not an ONNX network: {error}") from error
    if not model.graph.node:
        raise FeaturizerError(f"{path}: not an ONNX network: it holds no layers")
    _make_room(model)
    graph = model.graph
    fed = _fed(model, path)
    makers = {name: node for node in graph.node for name in node.output}
    names = [one.name for one in graph.output]
    inferred = onnx.shape_inference.infer_shapes(model)
    known = {one.name: one for one in (*inferred.graph.value_info, *inferred.graph.output)}
    if output in OURS:
        output = f"{output}{RENAMED}"
    tensor = output or _features(names, makers, known)
    if tensor not in makers:
        ends = ", ".join(one.removesuffix(RENAMED) for one in names)
        wanted = tensor.removesuffix(RENAMED)
        raise FeaturizerError(f"{path}: has no tensor {wanted!r}; it ends at {ends}")
    nodes = _needed(tensor, makers, list(graph.node))
    shapes = _any_number(nodes, graph, fed.name)
    before, source = _facing(fed, path)
    after = list(_ending(tensor, known.get(tensor), graph, path))
    for node in nodes:
        node.input[:] = [source if name == fed.name else name for name in node.input]
    used = {name for node in (*before, *nodes, *after) for name in node.input}
    kept = [one for one in (*graph.initializer, *shapes) if one.name in used]
    dimensions = [one.dim_value or None for one in fed.type.tensor_type.shape.dim]
    height, width = dimensions[1:3] if before else dimensions[2:4]
    shape = ["n", 3, height or "height", width or "width"]
    made = helper.make_model(
        helper.make_graph(
            [*before, *nodes, *after],
            graph.name or "network",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_empty_tensor_value_info(OUTPUT)],
            kept,
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        producer_name="visual-search",
    )
    made.functions.extend(model.functions)
    outcome = onnx.shape_inference.infer_shapes(made).graph.output[0]
    if not outcome.type.HasField("tensor_type"):
        outcome = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", None])
    made.graph.output[0].CopyFrom(outcome)
    return made, tensor.removesuffix(RENAMED)


def _fed(model: ModelProto, path: Path) -> ValueInfoProto:
    """The one input that is no weight."""
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        raise FeaturizerError(
            f"{path}: wanted is one input of pictures, it has "
            f"{', '.join(one.name for one in inputs) or 'none'}"
        )
    fed: ValueInfoProto = inputs[0]
    return fed


def _facing(fed: ValueInfoProto, path: Path) -> tuple[list[NodeProto], str]:
    """What turns (n, 3, h, w) into what the network is fed, and that tensor's name."""
    if fed.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise FeaturizerError(f"{path}: its input {fed.name!r} is not float32")
    sides = [one.dim_value for one in fed.type.tensor_type.shape.dim]
    if sides[3] == 3 and sides[1] != 3:
        turned = f"{fed.name}_nhwc"
        return [helper.make_node("Transpose", [INPUT], [turned], perm=[0, 2, 3, 1])], turned
    if sides[1] not in (0, 3):
        raise FeaturizerError(f"{path}: its input has {sides[1]} channels, not 3")
    return [], INPUT


def _features(
    outputs: list[str], makers: dict[str, NodeProto], known: dict[str, ValueInfoProto]
) -> str:
    """``embedding``, else what feeds the classifier of the last output, else that output."""
    if f"{OUTPUT}{RENAMED}" in outputs:
        return f"{OUTPUT}{RENAMED}"
    name: str = outputs[-1]
    loss = False
    while name in makers:
        node = makers[name]
        # Without a softmax a last convolution may be a classifier or the features themselves.
        if node.op_type in DENSE or (
            node.op_type in CONVOLUTIONS and (loss or _channels(node, known) in IMAGENET)
        ):
            name = node.input[0]
            while name in makers and makers[name].op_type in PASSED:
                name = makers[name].input[0]
            return name
        # A dense layer's bias may stand in a node of its own.
        if node.op_type not in (*HEADS, "Add", "QLinearAdd"):
            break
        loss = loss or node.op_type == "Softmax"
        name = next((one for one in node.input if one in makers), "")
    return outputs[-1]


def _channels(node: NodeProto, known: dict[str, ValueInfoProto]) -> int:
    """How many channels a convolution gives; 0 where that cannot be told."""
    found = known.get(node.output[0])
    if found is None or len(found.type.tensor_type.shape.dim) != 4:
        return 0
    return int(found.type.tensor_type.shape.dim[1].dim_value)


def _needed(tensor: str, makers: dict[str, NodeProto], nodes: list[NodeProto]) -> list[NodeProto]:
    """Copies of the nodes that compute a tensor, in their order."""
    wanted, waiting = set(), [tensor]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or id(node) in wanted:
            continue
        wanted.add(id(node))
        waiting += node.input
    kept = []
    for node in nodes:
        if any(makers.get(name) is not None and id(makers[name]) in wanted for name in node.output):
            copy = NodeProto()
            copy.CopyFrom(node)
            kept.append(copy)
    return kept


def _any_number(nodes: list[NodeProto], graph: onnx.GraphProto, fed: str) -> list[TensorProto]:
    """Let reshapes to one picture keep the number of pictures; returns their new shapes."""
    values = {one.name: one for one in graph.initializer} | {
        node.output[0]: one.t
        for node in graph.node
        if node.op_type == "Constant"
        for one in node.attribute
        if one.name == "value"
    }
    fed_by, shapes = {fed}, []
    for node in nodes:
        if fed_by.isdisjoint(node.input):
            continue
        fed_by.update(node.output)
        if node.op_type == "Reshape" and node.input[1] in values:
            shape = numpy_helper.to_array(values[node.input[1]])
            if len(shape) > 1 and shape[0] == 1:
                node.input[1] = f"{node.output[0]}_shape"
                # 0 keeps what the input has.
                kept = np.array([0, *shape[1:]], np.int64)
                shapes.append(numpy_helper.from_array(kept, node.input[1]))
    return shapes


def _make_room(model: ModelProto) -> None:
    """Rename tensors that are called as ours will be."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = [f"{one}{RENAMED}" if one in OURS else one for one in node.input]
        node.output[:] = [f"{one}{RENAMED}" if one in OURS else one for one in node.output]
    for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        if one.name in OURS:
            one.name += RENAMED


def _ending(
    tensor: str, known: ValueInfoProto | None, graph: onnx.GraphProto, path: Path
) -> Iterator[NodeProto]:
    """What turns a tensor into float32 vectors."""
    if known is None or not known.type.tensor_type.HasField("shape"):
        raise FeaturizerError(f"{path}: the shape of {tensor!r} cannot be told; name another")
    kind, source = known.type.tensor_type.elem_type, tensor
    if kind in (TensorProto.UINT8, TensorProto.INT8):
        user = next((n for n in graph.node if tensor in n.input and n.op_type in QUANTISED), None)
        if user is None:
            raise FeaturizerError(f"{path}: {tensor!r} is quantised; name a tensor of numbers")
        source = f"{tensor}_float"
        yield helper.make_node("DequantizeLinear", [tensor, *user.input[1:3]], [source])
    elif kind != TensorProto.FLOAT:
        source = f"{tensor}_float"
        yield helper.make_node("Cast", [tensor], [source], to=TensorProto.FLOAT)
    rank = len(known.type.tensor_type.shape.dim)
    if rank == 4:
        yield helper.make_node("GlobalAveragePool", [source], [POOLED])
        yield helper.make_node("Flatten", [POOLED], [OUTPUT], axis=1)
    elif rank == 2:
        yield helper.make_node("Identity", [source], [OUTPUT])
    else:
        raise FeaturizerError(
            f"{path}: {tensor!r} has {rank} dimensions; wanted are vectors or feature maps"
        )
