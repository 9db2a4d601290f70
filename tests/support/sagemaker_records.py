"""Reads RecordIO-protobuf as the SageMaker SDK does, by the documented messages of record.proto.

The fields are those of https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html, read by
the real protobuf library; the SDK itself would bring 500 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

MAGIC = 0xCED7230A
PACKAGE = "aialgs.data"
FLOAT, INT32, TEXT, MESSAGE = 2, 5, 9, 11  # of descriptor.proto
TENSORS = {"Float32Tensor": (FLOAT, 2), "Int32Tensor": (INT32, 7)}  # type, number in Value


def read_records(data: bytes) -> list[tuple[NDArray[np.float32], int]]:
    """The vector and the label of each record."""
    make = _record_class()
    found = []
    for text in _frames(data):
        record = make.FromString(text)
        values, label = record.features["values"], record.label["values"]
        assert (list(record.features), list(record.label)) == (["values"], ["values"])
        assert values.WhichOneof("value") == "float32tensor"
        assert label.WhichOneof("value") == "int32tensor"
        [number] = label.int32tensor.values
        found.append((np.array(values.float32tensor.values, np.float32), number))
    return found


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        magic, length = struct.unpack_from("<II", data, at)
        assert magic == MAGIC
        yield data[at + 8 : at + 8 + length]
        at += 8 + length + -length % 4
    assert at == len(data)


def _record_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package=PACKAGE, syntax="proto2")
    value = descriptor_pb2.DescriptorProto(name="Value")
    value.oneof_decl.add(name="value")
    for name, (kind, number) in TENSORS.items():
        tensor = file.message_type.add(name=name)
        values = tensor.field.add(name="values", number=1, type=kind, label=3)
        values.options.packed = True
        field = value.field.add(name=name.lower(), number=number, type=MESSAGE, label=1)
        field.type_name, field.oneof_index = f".{PACKAGE}.{name}", 0
    file.message_type.append(value)
    record = file.message_type.add(name="Record")
    for number, name in enumerate(("features", "label"), 1):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=TEXT, label=1)
        entry.field.add(
            name="value", number=2, type=MESSAGE, label=1
        ).type_name = f".{PACKAGE}.Value"
        field = record.field.add(name=name, number=number, type=MESSAGE, label=3)
        field.type_name = f".{PACKAGE}.Record.{entry.name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Record"))
