"""Map the arrays of a bundle and check their types and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from catalog.core.errors import BundleError
from catalog.core.mapped_files import releasable


def read(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map the array in an ``.npy`` file.

    Args:
        path: The file; an archive or a pickle is refused.
        dtype: The type that it must have.
        shape: The shape that it must have; None stands for any length.

    Raises:
        BundleError: The file is damaged, or the array has another type or shape.
    """
    try:
        mapped = open_memmap(path, mode="r")
        releasable(mapped.base, path)
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise BundleError(f"{path}: not an array: {error}") from error
    # Slices of a memmap are slower than those of an array.
    array: NDArray[Any] = mapped.view(np.ndarray)
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        raise BundleError(f"{path}: is {array.dtype} {array.shape}, which does not fit")
    return array
