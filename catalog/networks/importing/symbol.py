"""MXNet's ``-symbol.json``: the graph of a network, and a cut of it that ends at one layer."""

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
    """An operator, or a variable where `operator` is "null"; inputs as (node, output)."""

    name: str
    operator: str
    attributes: dict[str, str]
    inputs: tuple[tuple[int, int], ...]

    @property
    def output(self) -> str:
        """The name of its first output."""
        return self.name if self.operator == "null" else f"{self.name}_output"

    def value(self, key: str, default: Any = None) -> Any:
        """An attribute as Python's literal: "(3, 3)" is a tuple, "True" a bool."""
        text = self.attributes.get(key)
        if text is None:
            return default
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text


class Symbol:
    """A network's graph as MXNet saved it.

    Attributes:
        path: Its file.
        nodes: In an order in which inputs come before those that use them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._json = json.loads(path.read_bytes())
            self.nodes = [_node(one) for one in self._json["nodes"]]
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
        """The number of the node whose output, or whose own name, is `layer`."""
        for number, node in enumerate(self.nodes):
            if node.operator != "null" and layer in (node.output, node.name):
                return number
        last = [node.output for node in self.nodes if node.operator != "null"][-8:]
        raise FeaturizerError(
            f"{self.path}: has no layer {layer!r}; its last ones are {', '.join(last)}"
        )

    def features(self) -> int:
        """The node whose output describes a picture best.

        ``flatten0_output`` where there is one; else what feeds the last dense layer; else,
        where the last convolution is the classifier, what feeds that; else the head, for a
        network that has been cut already.
        """
        for number, node in enumerate(self.nodes):
            if node.operator != "null" and node.output == FEATURES:
                return number
        needed = self.above(self.head)
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

    def above(self, number: int) -> list[int]:
        """The nodes that are needed to compute one, itself last."""
        needed = {number}
        for one in range(number, -1, -1):
            if one in needed:
                needed.update(source for source, _ in self.nodes[one].inputs)
        return sorted(needed)

    def inputs(self, numbers: Collection[int], parameters: Collection[str]) -> list[Node]:
        """The variables among `numbers` that are no parameters: what the network is fed."""
        return [
            self.nodes[number]
            for number in sorted(numbers)
            if self.nodes[number].operator == "null" and self.nodes[number].name not in parameters
        ]

    def cut(self, number: int, *, pooled: bool) -> dict[str, Any]:
        """The JSON of this symbol up to one node, globally average-pooled if wanted."""
        needed = self.above(number)
        place = {old: new for new, old in enumerate(needed)}
        nodes = []
        for old in needed:
            node = dict(self._json["nodes"][old])
            node["inputs"] = [[place[one[0]], *one[1:]] for one in node["inputs"]]
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


def _node(found: dict[str, Any]) -> Node:
    attributes = {**found.get("attr", {}), **found.get("attrs", {}), **found.get("param", {})}
    inputs = tuple((int(one[0]), int(one[1])) for one in _pairs(found["inputs"]))
    return Node(str(found["name"]), str(found["op"]), attributes, inputs)


def _pairs(inputs: Any) -> Iterator[Any]:
    for one in inputs:
        if len(one) < 2:
            raise ValueError(f"{one!r} is no input")
        yield one
