"""An ONNX network that is to be cut, and what is known of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from catalog.core.errors import FeaturizerError

INPUT, OUTPUT, POOLED = OURS = ("input", "embedding", "embedding_pool")  # names of our own tensors
RENAMED = "_of_the_file"  # is appended to a network's tensors of these names


@dataclass(frozen=True)
class Network:
    """A network that was loaded in order to cut it.

    Attributes:
        path: Its file.
        model: What the file holds, with `OURS` renamed.
        pictures: Its input.
        makers: The node that computes each tensor, by the tensor's name.
        tensors: What is known of the tensors, by name.
    """

    path: Path
    model: ModelProto
    pictures: ValueInfoProto
    makers: dict[str, NodeProto]
    tensors: dict[str, ValueInfoProto]

    @property
    def outputs(self) -> list[str]:
        """Return the names of its outputs."""
        return [output.name for output in self.model.graph.output]

    def channels(self, node: NodeProto) -> int:
        """Return how many channels a convolution gives; 0 where that is not known."""
        tensor = self.tensors.get(node.output[0])
        if tensor is None or len(tensor.type.tensor_type.shape.dim) != 4:
            return 0
        return int(tensor.type.tensor_type.shape.dim[1].dim_value)

    def constants(self) -> dict[str, TensorProto]:
        """Return the constant tensors: weights and the values of constant nodes, by name."""
        graph = self.model.graph
        return {weight.name: weight for weight in graph.initializer} | {
            node.output[0]: attribute.t
            for node in graph.node
            if node.op_type == "Constant"
            for attribute in node.attribute
            if attribute.name == "value"
        }


def load_network(path: Path) -> Network:
    """Load an ONNX file with one input of pictures.

    Raises:
        FeaturizerError: It cannot be read, is no such network, or has other inputs.
    """
    try:
        model = onnx.load(path)
    except OSError as error:
        raise FeaturizerError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # protobuf's own errors have no public root
        raise FeaturizerError(f"{path}: not an ONNX network: {error}") from error
    if not model.graph.node:
        raise FeaturizerError(f"{path}: not an ONNX network: it holds no layers")
    _rename_ours(model)
    pictures = _picture_input(model, path)
    makers = {name: node for node in model.graph.node for name in node.output}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    tensors = {info.name: info for info in (*inferred.value_info, *inferred.output)}
    return Network(path, model, pictures, makers, tensors)


def _rename_ours(model: ModelProto) -> None:
    """Rename the tensors whose names are needed for our own."""
    graph = model.graph
    for node in graph.node:
        node.input[:] = [f"{name}{RENAMED}" if name in OURS else name for name in node.input]
        node.output[:] = [f"{name}{RENAMED}" if name in OURS else name for name in node.output]
    for tensor in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        if tensor.name in OURS:
            tensor.name += RENAMED


def _picture_input(model: ModelProto, path: Path) -> ValueInfoProto:
    """Return the only input that is no weight."""
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [info for info in model.graph.input if info.name not in weights]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        raise FeaturizerError(
            f"{path}: wanted is one input of pictures, it has "
            f"{', '.join(info.name for info in inputs) or 'none'}"
        )
    pictures: ValueInfoProto = inputs[0]
    return pictures
