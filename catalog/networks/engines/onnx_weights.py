"""Read the weights of an ONNX file without further packages.

The file is a message of Protocol Buffers; of that format this module knows what such files have.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float16] | NDArray[np.float32]

# The numbers of fields, by onnx.proto.
GRAPH, INITIALIZER = 7, 5  # of ModelProto, of GraphProto
DIMS, DATA_TYPE, RAW_DATA = 1, 2, 9  # of TensorProto
TYPES: dict[int, str] = {1: "<f4", 10: "<f2"}  # of TensorProto.DataType
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # how a field's value is written


def weights_of(model: bytes) -> list[Weights]:
    """Return the initialisers of an ONNX file's graph in their order, as float16 or float32.

    Raises:
        ValueError: It is no ONNX file, is damaged, or stores weights in another way than the
            networks that ship with the program.
    """
    try:
        return [
            _array(tensor)
            for graph in _values(memoryview(model), GRAPH)
            for tensor in _values(graph, INITIALIZER)
        ]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError("not an ONNX file whose weights can be read") from error


def _array(tensor: memoryview) -> Weights:
    shape: list[int] = []
    kind, data = "", memoryview(b"")
    for field, value in _fields(tensor):
        if field == DIMS and isinstance(value, int):
            shape.append(value)
        elif field == DATA_TYPE and isinstance(value, int):
            kind = TYPES[value]
        elif field == RAW_DATA and isinstance(value, memoryview):
            data = value
    return np.frombuffer(data, np.dtype(kind)).reshape(shape)


def _values(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, value in _fields(message):
        if field == wanted and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        length = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(kind)
        if length is None:
            if kind != BYTES:
                raise ValueError(f"a field of kind {kind}")
            length, at = _varint(message, at)
        if at + length > len(message):
            raise ValueError("cut short")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first; return it and where the next begins."""
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
