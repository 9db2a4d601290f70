"""Types of the arrays that every layer passes on: vectors, and their row numbers."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import FeaturizerError

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Tensor = NDArray[np.float32]


def normalised(vectors: Tensor) -> Tensor:
    """Scale each row of float32 (n, d) to length 1.

    Raises:
        FeaturizerError: A row is zero.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (lengths > 1e-12).all():
        raise FeaturizerError("the network gave a vector of zeros")
    return cast(Tensor, (vectors / lengths).astype(np.float32, copy=False))
