"""Read MXNet's ``-symbol.json``, the graph of a network, and cut it at a layer."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.core.errors import FeaturizerError

DENSE = "FullyConnected"
CONVOLUTIONS = ("Convolution", "Convolution_v1")
POOLINGS = ("Pooling", "Pooling_v1")
LOSSES = ("SoftmaxOutput", "Softmax", "SoftmaxActivation", "softmax")
HEADS = ("Activation", "relu", *POOLINGS, "Flatten", "Reshape", "reshape", "Dropout", *LOSSES)
IMAGENET = (1000, 1001)  # classes, without and with background
FEATURES = "flatten0_output"  # what the networks of MXNet's old model zoo call their features


@dataclass(frozen=True)
class Node:
    """An operator, or a variable where `operator` is "null"; inputs are (node, output)."""

    name: str
    operator: str
    attributes: dict[str, str]
    inputs: tuple[tuple[int, int], ...]

    @property
    def output(self) -> str:
        """Return the name of its first output."""
        return self.name if self.operator == "null" else f"{self.name}_output"

    def value(self, key: str, default: Any = None) -> Any:
        """Return an attribute as a Python literal: "(3, 3)" is a tuple, "True" a bool."""
        text = self.attributes.get(key)
        if text is None:
            return default
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text


class Symbol:
    """The graph of a network as MXNet saved it.

    Attributes:
        path: Its file.
        nodes: The nodes; a node comes after its inputs.
        head: Number of the node that is the output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._json = json.loads(path.read_bytes())
            self.nodes = [_node(node) for node in self._json["nodes"]]
            self.head = int(self._json["heads"][-1][0])
        except OSError as error:
            raise FeaturizerError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise FeaturizerError(f"{path}: not an MXNet symbol: {error!r}") from error
        for number, node in enumerate(self.nodes):
            if any(not 0 <= source < number for source, _ in node.inputs):
                raise FeaturizerError(f"{path}: damaged: {node.name} uses what comes after it")
        if not 0 <= self.head < len(self.nodes):
            raise FeaturizerError(f"{path}: damaged: its head is node {self.head}")

    def find(self, layer: str) -> int:
        """Return the number of the node that is called `layer`, or whose output is.

        Raises:
            FeaturizerError: There is none.
        """
        for number, node in enumerate(self.nodes):
            if node.operator != "null" and layer in (node.output, node.name):
                return number
        last = [node.output for node in self.nodes if node.operator != "null"][-8:]
        raise FeaturizerError(
            f"{self.path}: has no layer {layer!r}; its last ones are {', '.join(last)}"
        )

    def features(self) -> int:
        """Return the number of the node whose output describes a picture best.

        It is ``flatten0_output`` where there is one; else the input of the last dense layer; else
        the input of the last convolution where that is the classifier; else the head, because
        the network has been cut already.
        """
        for number, node in enumerate(self.nodes):
            if node.operator != "null" and node.output == FEATURES:
                return number
        needed = self.needed_for(self.head)
        for number in reversed(needed):
            if self.nodes[number].operator == DENSE:
                return self._without_dropout(self.nodes[number].inputs[0][0])
        at, loss = self.head, False
        while self.nodes[at].operator in HEADS:
            loss = loss or self.nodes[at].operator in LOSSES
            at = self.nodes[at].inputs[0][0]
        last = self.nodes[at]
        # Without a softmax a last convolution may be a classifier or the features themselves.
        if last.operator in CONVOLUTIONS and (loss or last.value("num_filter") in IMAGENET):
            return self._without_dropout(self.nodes[at].inputs[0][0])
        return self.head

    def needed_for(self, number: int) -> list[int]:
        """Return the nodes that are needed to compute a node, itself last."""
        needed = {number}
        for candidate in range(number, -1, -1):
            if candidate in needed:
                needed.update(source for source, _ in self.nodes[candidate].inputs)
        return sorted(needed)

    def inputs(self, numbers: Collection[int], parameters: Collection[str]) -> list[Node]:
        """Return the variables among `numbers` that are no parameters: the network's inputs."""
        return [
            self.nodes[number]
            for number in sorted(numbers)
            if self.nodes[number].operator == "null" and self.nodes[number].name not in parameters
        ]

    def cut(self, number: int, *, pooled: bool) -> dict[str, Any]:
        """Return the JSON of this symbol up to a node, which is average-pooled if `pooled`."""
        needed = self.needed_for(number)
        place = {old: new for new, old in enumerate(needed)}
        nodes = []
        for old in needed:
            node = dict(self._json["nodes"][old])
            node["inputs"] = [[place[source], *rest] for source, *rest in node["inputs"]]
            node.pop("backward_source_id", None)
            nodes.append(node)
        if pooled:
            attributes = {"global_pool": "True", "kernel": "(1, 1)", "pool_type": "avg"}
            for name, operator, attrs in (
                ("embedding_pool", "Pooling", attributes),
                ("embedding", "Flatten", {}),
            ):
                source = [[len(nodes) - 1, 0, 0]]
                nodes.append({"op": operator, "name": name, "attrs": attrs, "inputs": source})
        return {
            "nodes": nodes,
            "arg_nodes": [at for at, node in enumerate(nodes) if node["op"] == "null"],
            "heads": [[len(nodes) - 1, 0, 0]],
            "attrs": self._json.get("attrs", {}),
        }

    def _without_dropout(self, number: int) -> int:
        while self.nodes[number].operator == "Dropout":
            number = self.nodes[number].inputs[0][0]
        return number


def _node(entry: dict[str, Any]) -> Node:
    attributes = {**entry.get("attr", {}), **entry.get("attrs", {}), **entry.get("param", {})}
    inputs = tuple((int(pair[0]), int(pair[1])) for pair in _pairs(entry["inputs"]))
    return Node(str(entry["name"]), str(entry["op"]), attributes, inputs)


def _pairs(inputs: Any) -> Iterator[Any]:
    for pair in inputs:
        if len(pair) < 2:
            raise ValueError(f"{pair!r} is no input")
        yield pair
