"""Convert an MXNet checkpoint to an ONNX network that ends at one of its layers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto, TensorProto, checker, helper, shape_inference

from catalog.core.errors import FeaturizerError
from catalog.networks.engines.checkpoint import PARAMETERS_FILE, SYMBOL_FILE
from catalog.networks.engines.params import read_parameters, write_arrays
from catalog.networks.importing.graph import Array, Graph
from catalog.networks.importing.operators import OPERATORS
from catalog.networks.importing.symbol import Symbol

OPSET = 13  # it has all operators that are used here, and all runtimes support it
IR_VERSION = 8
INPUT, OUTPUT = "input", "embedding"


@dataclass(frozen=True)
class Converted:
    """A network in ONNX, the layer it ends at, and the checkpoint cut at the same layer."""

    model: ModelProto
    layer: str
    symbol: dict[str, Any]
    parameters: dict[str, Array]

    def write_checkpoint(self, folder: Path) -> None:
        """Write the cut checkpoint into a featurizer folder."""
        (folder / SYMBOL_FILE).write_text(json.dumps(self.symbol, indent=1), encoding="utf-8")
        write_arrays(folder / PARAMETERS_FILE, self.parameters)


def find_checkpoint(path: Path) -> tuple[Path, Path]:
    """Return the symbol file and the parameter file of a checkpoint, given either of them.

    For a symbol file, the parameters of the last epoch are taken.

    Raises:
        FeaturizerError: The other file is missing.
    """
    if path.name.endswith("-symbol.json"):
        prefix = path.name.removesuffix("-symbol.json")
        epochs = sorted(
            file
            for file in path.parent.glob("*.params")
            if file.name.rpartition("-")[0] == prefix and file.stem.rpartition("-")[2].isdigit()
        )
        if not epochs:
            raise FeaturizerError(f"{path}: there is no {prefix}-0000.params beside it")
        return path, epochs[-1]
    symbol = path.with_name(f"{path.stem.rpartition('-')[0]}-symbol.json")
    if not symbol.is_file():
        raise FeaturizerError(f"{path}: there is no {symbol.name} beside it")
    return symbol, path


def convert(
    symbol_file: Path, parameter_file: Path, layer: str | None, height: int, width: int
) -> Converted:
    """Convert a checkpoint.

    Args:
        symbol_file: Its ``-symbol.json``.
        parameter_file: Its ``-NNNN.params``.
        layer: The layer to end at; None for the one that describes a picture best
            (`Symbol.features`). A feature map is globally average-pooled.
        height: Of the input, in pixels.
        width: Of the input, in pixels.

    Returns:
        The network with ``input`` float32 (n, 3, height, width) and ``embedding`` (n, d).

    Raises:
        FeaturizerError: Names the file, operator, layer or parameter that is wrong.
    """
    symbol, parameters = Symbol(symbol_file), read_parameters(parameter_file)
    number = symbol.find(layer) if layer else symbol.features()
    last = symbol.nodes[number]
    needed = symbol.needed_for(number)
    graph = Graph(parameters, str(symbol_file))
    names = {place: node.output for place, node in enumerate(symbol.nodes)}
    fed = [
        node for node in symbol.inputs(needed, parameters) if node.name in _pictures(symbol, needed)
    ]
    if len(fed) != 1:
        raise FeaturizerError(
            f"{symbol_file}: wanted is one input of pictures, it has "
            f"{', '.join(node.name for node in fed) or 'none'} up to {last.output}"
        )
    for place in needed:
        names[place] = INPUT if symbol.nodes[place] is fed[0] else names[place]
        _convert_node(graph, symbol, place, names)
    rank = _rank(graph, names[number], height, width, str(symbol_file))
    if rank == 4:
        graph.add("GlobalAveragePool", [names[number]], "embedding_pool")
        graph.add("Flatten", ["embedding_pool"], OUTPUT, axis=1)
    else:
        graph.add("Identity", [names[number]], OUTPUT)
    model = _model(graph, height, width, OUTPUT)
    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise FeaturizerError(f"{symbol_file}: cannot be written as ONNX: {error}") from error
    cut = symbol.cut(number, pooled=rank == 4)
    return Converted(model, last.output, cut, _used_parameters(symbol, needed, parameters))


def _used_parameters(
    symbol: Symbol, needed: list[int], parameters: dict[str, Array]
) -> dict[str, Array]:
    """Return the parameters of some nodes, with the prefixes that MXNet expects."""
    variables = {symbol.nodes[number].name for number in needed}
    auxiliary = set()
    for number in needed:
        node = symbol.nodes[number]
        if "BatchNorm" in node.operator:
            auxiliary |= {symbol.nodes[source].name for source, _ in node.inputs[3:5]}
            auxiliary |= {f"{node.name}_moving_mean", f"{node.name}_moving_var"}
    return {
        f"{'aux' if name in auxiliary else 'arg'}:{name}": values
        for name, values in parameters.items()
        if name in variables | auxiliary
    }


def _convert_node(graph: Graph, symbol: Symbol, number: int, names: dict[int, str]) -> None:
    node = symbol.nodes[number]
    if node.operator == "null":
        return
    convert_operator = OPERATORS.get(node.operator)
    if convert_operator is None:
        raise FeaturizerError(
            f"{symbol.path}: the operator {node.operator} of {node.name!r} is not known here; "
            "end at a layer before it with --output, or export the network to ONNX"
        )
    for source, output in node.inputs:
        if output != 0 and symbol.nodes[source].operator != "null":
            graph.refuse(node, f"uses output {output} of {symbol.nodes[source].name!r}")
    try:
        convert_operator(graph, node, [names[source] for source, _ in node.inputs])
    except (ValueError, TypeError, IndexError) as error:
        graph.refuse(node, f"its attributes cannot be read: {error}")


def _pictures(symbol: Symbol, needed: list[int]) -> set[str]:
    """Return the variables that are the first input of a node, unlike weights and labels."""
    return {
        symbol.nodes[symbol.nodes[number].inputs[0][0]].name
        for number in needed
        if symbol.nodes[number].inputs
    }


def _rank(graph: Graph, name: str, height: int, width: int, where: str) -> int:
    """Return how many dimensions an output has: 2 for vectors, 4 for feature maps.

    Raises:
        FeaturizerError: It is another number, or the layers do not fit together.
    """
    model = _model(graph, height, width, name)
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        raise FeaturizerError(
            f"{where}: its layers do not fit together at {width} x {height} pixels: {error}"
        ) from error
    shape = inferred.graph.output[0].type.tensor_type.shape
    rank = len(shape.dim)
    if rank not in (2, 4):
        raise FeaturizerError(
            f"{where}: {name} has {rank} dimensions; wanted is a layer of vectors or feature maps"
        )
    return rank


def _model(graph: Graph, height: int, width: int, output: str) -> ModelProto:
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, height, width])],
            [helper.make_empty_tensor_value_info(output)],
            graph.initialisers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="visual-search",
    )
    inferred = shape_inference.infer_shapes(model).graph.output[0]
    if not inferred.type.HasField("tensor_type"):
        inferred = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    model.graph.output[0].CopyFrom(inferred)
    return model
