"""Read and write MXNet's ``.params`` files without MXNet.

A file holds a list of arrays and a list of their names, little-endian::

    u64 0x112, u64 0
    u64 count, then each array:
        u32 magic     0xF993FAC9 (V2) or ...CA (V3): i32 storage, i32 dims, i64 each dim
                      0xF993FAC8 (V1):               i32 dims, i64 each dim
                      anything else is itself the number of dims, u32 each dim
        i32 device type, i32 device number, i32 element type, the elements
    u64 count, then each name: u64 length, bytes
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import FeaturizerError

LIST = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
ELEMENTS = {
    0: "<f4", 1: "<f8", 2: "<f2", 3: "|u1", 4: "<i4", 5: "|i1", 6: "<i8",
    7: "|b1", 8: "<i2", 9: "<u2", 10: "<u4", 11: "<u8",
}  # fmt: skip
MOST_DIMENSIONS = 32

Array = NDArray[Any]


def read_arrays(path: Path) -> tuple[list[str], list[Array]]:
    """Read the names and arrays of a ``.params`` file; a plain list has no names.

    Raises:
        FeaturizerError: The file is cut short, damaged, or holds sparse arrays.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FeaturizerError(f"{path}: cannot be read: {error.strerror}") from error
    return unpacked(content, path)


def unpacked(content: bytes, path: Path) -> tuple[list[str], list[Array]]:
    """Read the names and arrays of a ``.params`` file's content; errors name `path`.

    Raises:
        FeaturizerError: As for `read_arrays`.
    """
    reader = _Reader(path, memoryview(content))
    if reader.number("<Q") != LIST:
        raise FeaturizerError(f"{path}: not an MXNet .params file")
    reader.number("<Q")
    arrays = [reader.array() for _ in range(reader.count(8))]
    names = [reader.text() for _ in range(reader.count(8))]
    if names and len(names) != len(arrays):
        raise FeaturizerError(f"{path}: damaged: {len(arrays)} arrays but {len(names)} names")
    if reader.left:
        raise FeaturizerError(f"{path}: damaged: {reader.left} bytes too many")
    return names, arrays


def read_parameters(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the parameters of a checkpoint as float32, by name without ``arg:`` and ``aux:``.

    Raises:
        FeaturizerError: As for `read_arrays`, or the arrays have no names.
    """
    names, arrays = read_arrays(path)
    if arrays and not names:
        raise FeaturizerError(f"{path}: a list of arrays without names is no checkpoint")
    return {
        name.removeprefix("arg:").removeprefix("aux:"): np.asarray(array, np.float32)
        for name, array in zip(names, arrays, strict=True)
    }


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as MXNet 1.x does."""
    path.write_bytes(packed(arrays))


def packed(arrays: Mapping[str, Array]) -> bytes:
    """Return the content of a ``.params`` file with these arrays."""
    codes = {np.dtype(name): code for code, name in ELEMENTS.items()}
    parts = [struct.pack("<QQQ", LIST, 0, len(arrays))]
    for array in arrays.values():
        shape = struct.pack(f"<Iii{array.ndim}q", V2, 0, array.ndim, *array.shape)
        parts += [shape, struct.pack("<iii", 1, 0, codes[array.dtype]), array.tobytes()]
    parts.append(struct.pack("<Q", len(arrays)))
    for name in arrays:
        data = name.encode()
        parts += [struct.pack("<Q", len(data)), data]
    return b"".join(parts)


class _Reader:
    """Reads a file piece by piece and refuses to read beyond its end."""

    def __init__(self, path: Path, data: memoryview) -> None:
        self._path = path
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Return the number of bytes not yet read."""
        return len(self._data) - self._at

    def take(self, length: int) -> memoryview:
        if length > self.left:
            raise FeaturizerError(
                f"{self._path}: cut short: {length - self.left} more bytes wanted; copy it again"
            )
        self._at += length
        return self._data[self._at - length : self._at]

    def number(self, kind: str) -> int:
        value: int = struct.unpack(kind, self.take(struct.calcsize(kind)))[0]
        return value

    def count(self, least: int) -> int:
        """Read how many things of at least `least` bytes follow."""
        count = self.number("<Q")
        if count * least > self.left:
            raise FeaturizerError(f"{self._path}: cut short or damaged: {count} things announced")
        return count

    def text(self) -> str:
        data = bytes(self.take(self.number("<Q")))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise FeaturizerError(f"{self._path}: damaged: {data[:20]!r} is no name") from error

    def array(self) -> Array:
        magic = self.number("<I")
        if magic in (V2, V3) and self.number("<i") != 0:
            raise FeaturizerError(f"{self._path}: holds a sparse array; save it dense")
        current = magic in (V1, V2, V3)
        dimensions = self.number("<i") if current else magic
        if not 0 <= dimensions <= MOST_DIMENSIONS:
            raise FeaturizerError(f"{self._path}: damaged: an array of {dimensions} dimensions")
        if dimensions == 0 and magic != V3:
            return np.empty(0, np.float32)  # an empty array has no more fields
        shape = [self.number("<q" if current else "<I") for _ in range(dimensions)]
        self.take(8)  # the device type and number
        code = self.number("<i")
        if code not in ELEMENTS:
            raise FeaturizerError(f"{self._path}: elements of type {code} are not known")
        if any(side < 0 for side in shape):
            raise FeaturizerError(f"{self._path}: damaged: an array of shape {shape}")
        kind = np.dtype(ELEMENTS[code])
        data = self.take(math.prod(shape) * kind.itemsize)
        return np.frombuffer(data, kind).reshape(shape)
