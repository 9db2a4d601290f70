"""Cut an ONNX network at one of its tensors, and feed it with pictures in our own layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError
from catalog.networks.importing.network import (
    INPUT,
    OURS,
    OUTPUT,
    POOLED,
    RENAMED,
    Network,
    load_network,
)

DENSE = ("Gemm", "MatMul", "QLinearMatMul", "QGemm")
CONVOLUTIONS = ("Conv", "QLinearConv")
QUANTISED = ("QLinearMatMul", "QGemm", "QLinearConv")  # inputs: tensor, its scale, its zero
HEADS = (
    "Softmax Relu GlobalAveragePool QLinearGlobalAveragePool AveragePool ReduceMean Flatten "
    "Reshape Squeeze Dropout Identity QuantizeLinear DequantizeLinear"
).split()
PASSED = ("Dropout", "Identity")
IMAGENET = (1000, 1001)  # classes, without and with background


def cut(path: Path, output: str | None) -> tuple[ModelProto, str]:
    """Cut the network at `path` so that it ends at one tensor.

    Args:
        path: An ONNX file with one input of pictures: float32 (n, 3, h, w) or (n, h, w, 3).
        output: The tensor to end at; None for ``embedding``, else the input of the last dense
            layer or pooled classifier, else the last output.

    Returns:
        A network with ``input`` (n, 3, h, w) and ``embedding`` (n, d), for which a feature map is
        averaged; and the name of the tensor.

    Raises:
        FeaturizerError: Names the file and what is wrong with it.
    """
    network = load_network(path)
    tensor = _choose_tensor(network, output)
    nodes = _needed(tensor, network)
    shapes = _free_batch_size(nodes, network)
    before, source = _adapt_input(network)
    after = list(_adapt_output(tensor, network))
    for node in nodes:
        node.input[:] = [source if name == network.pictures.name else name for name in node.input]
    made = _assemble(network, [*before, *nodes, *after], shapes, channels_last=bool(before))
    return made, tensor.removesuffix(RENAMED)


def _choose_tensor(network: Network, output: str | None) -> str:
    """Return the name of the tensor to end at."""
    if output in OURS:
        output = f"{output}{RENAMED}"
    tensor = output or _features(network)
    if tensor not in network.makers:
        ends = ", ".join(name.removesuffix(RENAMED) for name in network.outputs)
        wanted = tensor.removesuffix(RENAMED)
        raise FeaturizerError(f"{network.path}: has no tensor {wanted!r}; it ends at {ends}")
    return tensor


def _features(network: Network) -> str:
    """Return ``embedding``, else the input of the last output's classifier, else that output."""
    outputs, makers = network.outputs, network.makers
    if f"{OUTPUT}{RENAMED}" in outputs:
        return f"{OUTPUT}{RENAMED}"
    name: str = outputs[-1]
    loss = False
    while name in makers:
        node = makers[name]
        # Without a softmax a last convolution may be a classifier or the features themselves.
        if node.op_type in DENSE or (
            node.op_type in CONVOLUTIONS and (loss or network.channels(node) in IMAGENET)
        ):
            name = node.input[0]
            while name in makers and makers[name].op_type in PASSED:
                name = makers[name].input[0]
            return name
        # A dense layer's bias may stand in a node of its own.
        if node.op_type not in (*HEADS, "Add", "QLinearAdd"):
            break
        loss = loss or node.op_type == "Softmax"
        name = next((source for source in node.input if source in makers), "")
    return outputs[-1]


def _needed(tensor: str, network: Network) -> list[NodeProto]:
    """Return copies of the nodes that compute a tensor, in their order."""
    makers = network.makers
    needed, waiting = set(), [tensor]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or id(node) in needed:
            continue
        needed.add(id(node))
        waiting += node.input
    copies = []
    for node in network.model.graph.node:
        if any(name in makers and id(makers[name]) in needed for name in node.output):
            copy = NodeProto()
            copy.CopyFrom(node)
            copies.append(copy)
    return copies


def _free_batch_size(nodes: list[NodeProto], network: Network) -> list[TensorProto]:
    """Change reshapes that are made for one picture to fit any number of pictures.

    Returns:
        The new shapes, to which the changed nodes refer.
    """
    values = network.constants()
    from_pictures, shapes = {network.pictures.name}, []
    for node in nodes:
        if from_pictures.isdisjoint(node.input):
            continue
        from_pictures.update(node.output)
        if node.op_type == "Reshape" and node.input[1] in values:
            shape = numpy_helper.to_array(values[node.input[1]])
            if len(shape) > 1 and shape[0] == 1:
                node.input[1] = f"{node.output[0]}_shape"
                free = np.array([0, *shape[1:]], np.int64)  # 0 copies the input's length
                shapes.append(numpy_helper.from_array(free, node.input[1]))
    return shapes


def _adapt_input(network: Network) -> tuple[list[NodeProto], str]:
    """Return nodes that turn (n, 3, h, w) into the network's own input, and that tensor's name."""
    path, pictures = network.path, network.pictures
    if pictures.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise FeaturizerError(f"{path}: its input {pictures.name!r} is not float32")
    sides = [side.dim_value for side in pictures.type.tensor_type.shape.dim]
    if sides[3] == 3 and sides[1] != 3:
        turned = f"{pictures.name}_nhwc"
        return [helper.make_node("Transpose", [INPUT], [turned], perm=[0, 2, 3, 1])], turned
    if sides[1] not in (0, 3):
        raise FeaturizerError(f"{path}: its input has {sides[1]} channels, not 3")
    return [], INPUT


def _adapt_output(tensor: str, network: Network) -> Iterator[NodeProto]:
    """Yield nodes that turn a tensor into float32 vectors."""
    path, info = network.path, network.tensors.get(tensor)
    if info is None or not info.type.tensor_type.HasField("shape"):
        raise FeaturizerError(f"{path}: the shape of {tensor!r} cannot be told; name another")
    kind, source = info.type.tensor_type.elem_type, tensor
    if kind in (TensorProto.UINT8, TensorProto.INT8):
        user = next(
            (
                node
                for node in network.model.graph.node
                if tensor in node.input and node.op_type in QUANTISED
            ),
            None,
        )
        if user is None:
            raise FeaturizerError(f"{path}: {tensor!r} is quantised; name a tensor of numbers")
        source = f"{tensor}_float"
        yield helper.make_node("DequantizeLinear", [tensor, *user.input[1:3]], [source])
    elif kind != TensorProto.FLOAT:
        source = f"{tensor}_float"
        yield helper.make_node("Cast", [tensor], [source], to=TensorProto.FLOAT)
    rank = len(info.type.tensor_type.shape.dim)
    if rank == 4:
        yield helper.make_node("GlobalAveragePool", [source], [POOLED])
        yield helper.make_node("Flatten", [POOLED], [OUTPUT], axis=1)
    elif rank == 2:
        yield helper.make_node("Identity", [source], [OUTPUT])
    else:
        raise FeaturizerError(
            f"{path}: {tensor!r} has {rank} dimensions; wanted are vectors or feature maps"
        )


def _assemble(
    network: Network, nodes: list[NodeProto], shapes: list[TensorProto], *, channels_last: bool
) -> ModelProto:
    """Make a model of some nodes, with the weights that they use."""
    model, graph = network.model, network.model.graph
    used = {name for node in nodes for name in node.input}
    sides = [side.dim_value or None for side in network.pictures.type.tensor_type.shape.dim]
    height, width = sides[1:3] if channels_last else sides[2:4]
    shape = ["n", 3, height or "height", width or "width"]
    made = helper.make_model(
        helper.make_graph(
            nodes,
            graph.name or "network",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_empty_tensor_value_info(OUTPUT)],
            [weight for weight in (*graph.initializer, *shapes) if weight.name in used],
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
        producer_name="visual-search",
    )
    made.functions.extend(model.functions)
    inferred = onnx.shape_inference.infer_shapes(made).graph.output[0]
    if not inferred.type.HasField("tensor_type"):
        inferred = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", None])
    made.graph.output[0].CopyFrom(inferred)
    return made
