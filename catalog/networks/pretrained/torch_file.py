"""Read the tensors of a PyTorch weight file (.pth, the format before 1.6) without PyTorch.

Such a file consists of five pickles (a magic number, a version, properties of the writer, the
tensors, the keys of their storages) and then each storage: u64 count, the elements. A pickle may
name any function. Here the function that rebuilds a tensor is replaced by our own, `OrderedDict`
is allowed, and every other name is refused before it is imported.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import FeaturizerError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
STORAGES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}

Array = NDArray[Any]


@dataclass(frozen=True)
class _Storage:
    """A storage and its key; its elements follow after the pickles."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor as the pickle describes it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, Array]:
    """Read the tensors of a ``.pth`` file by name.

    Raises:
        FeaturizerError: The file has another format, is damaged, or names a forbidden function.
    """
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise FeaturizerError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        magic, version, _ = (_Unpickler(data).load() for _ in range(3))
        if (magic, version) != (MAGIC, VERSION):
            raise FeaturizerError(f"{path}: not a PyTorch weight file of the old format")
        tensors, keys = (_Unpickler(data).load() for _ in range(2))
        described = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        storages = {key: _elements(data, described[key]) for key in keys}
        return {
            name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()
        }
    except FeaturizerError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise FeaturizerError(f"{path}: not a PyTorch weight file, or damaged: {error}") from error


class _Unpickler(pickle.Unpickler):
    """Unpickles storages, tensors and ordered dictionaries, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the names that a weight file needs."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return a storage for ("storage", element type, key, device, count, view)."""
        label, kind, key, _, count, view = pid
        if label != "storage" or view is not None or kind not in STORAGES.values():
            raise pickle.UnpicklingError(f"a storage of an unknown kind: {pid!r}")
        return _Storage(str(key), kind, int(count))


def _rebuild(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    requires_grad: bool,  # noqa: FBT001  # the pickle passes it by position
    hooks: Any,
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _elements(data: io.BytesIO, storage: _Storage) -> Array:
    count = int.from_bytes(data.read(8), "little")
    kind = np.dtype(storage.kind)
    if count != storage.count:
        raise ValueError(f"storage {storage.key} holds {count} elements, not {storage.count}")
    found = data.read(count * kind.itemsize)
    if len(found) != count * kind.itemsize:
        raise ValueError("it is cut short")
    return np.frombuffer(found, kind)


def _array(tensor: _Tensor, elements: Array) -> Array:
    """Return a tensor's elements, whose strides may have any order but not leave the storage."""
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides) or any(
        number < 0 for number in (tensor.offset, *shape, *strides)
    ):
        raise ValueError("a tensor's shape is none")
    if 0 in shape:
        return np.zeros(shape, elements.dtype)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if last >= len(elements):
        raise ValueError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(
        elements[tensor.offset :],
        shape,
        [step * elements.itemsize for step in strides],
        writeable=False,
    )
