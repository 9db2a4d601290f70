"""Build an ONNX graph."""

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
    """The nodes and arrays of a graph that is being built.

    Attributes:
        parameters: The checkpoint's arrays by name; the used ones become initialisers.
        nodes: The nodes so far.
    """

    def __init__(self, parameters: dict[str, Array], where: str) -> None:
        self.parameters = parameters
        self.nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._where = where

    @property
    def initialisers(self) -> list[TensorProto]:
        """Return every array that the nodes use."""
        return list(self._constants.values())

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array under a name and return the name."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def parameter(self, name: str) -> Array:
        """Return an array of the checkpoint.

        Raises:
            FeaturizerError: There is none of this name.
        """
        if name not in self.parameters:
            raise FeaturizerError(f"{self._where}: the parameters lack {name}")
        return self.parameters[name]

    def use(self, name: str) -> str:
        """Add the parameter `name`, if it is one, and return `name`."""
        if name in self.parameters and name not in self._constants:
            self.constant(name, self.parameters[name])
        return name

    def refuse(self, node: Node, what: str) -> NoReturn:
        """Raise a `FeaturizerError` that says why a node cannot be converted."""
        raise FeaturizerError(f"{self._where}: {node.operator} {node.name!r}: {what}")
