"""Arrays of a bundle, mapped, and held to what they must be before anybody uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from catalog.core.errors import BundleError


def read(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Map the array in an ``.npy`` file.

    Args:
        path: The file. Archives and pickles are no arrays.
        dtype: What it must hold.
        shape: What it must measure; None for any length.

    Raises:
        BundleError: It is something else.
    """
    try:
        mapped: NDArray[Any] = open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise BundleError(f"{path}: not an array: {error}") from error
    found = mapped.view(np.ndarray)  # a memmap's slices cost more than they hold
    fits = len(found.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True)
    )
    if found.dtype != dtype or not fits:
        raise BundleError(f"{path}: is {found.dtype} {found.shape}, which does not fit")
    return found
