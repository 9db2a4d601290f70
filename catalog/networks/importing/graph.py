"""An ONNX graph in the making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from catalog.core.errors import FeaturizerError
from catalog.networks.importing.symbol import Node

Array = NDArray[np.float32]


class Graph:
    """Nodes and arrays, collected until they make a model.

    Attributes:
        parameters: The checkpoint's arrays by name; those used become initialisers.
    """

    def __init__(self, parameters: dict[str, Array], where: str) -> None:
        self.parameters = parameters
        self.nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._where = where

    @property
    def initialisers(self) -> list[TensorProto]:
        """Every array that the nodes use."""
        return list(self._constants.values())

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node; returns its output's name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Keep an array under a name; returns the name."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def parameter(self, name: str) -> Array:
        """An array of the checkpoint."""
        if name not in self.parameters:
            raise FeaturizerError(f"{self._where}: the parameters lack {name}")
        return self.parameters[name]

    def use(self, name: str) -> str:
        """Keep a parameter under its own name; the outputs of nodes are named as they are."""
        if name in self.parameters and name not in self._constants:
            self.constant(name, self.parameters[name])
        return name

    def refuse(self, node: Node, what: str) -> NoReturn:
        """Say that a node cannot be converted."""
        raise FeaturizerError(f"{self._where}: {node.operator} {node.name!r}: {what}")
