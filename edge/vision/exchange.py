"""Tell whether a thing was exchanged for another one, where neither of them can be named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIFFERENT_LOOKS = 0.5  # cosine of their features; it is less for 96 % of pairs of groceries


def look_different(before: NDArray[np.float32] | None, now: NDArray[np.float32]) -> bool:
    """Whether two looks are so unlike that they show two things.

    Args:
        before: The network's output for the thing that was decided about last, float32 (d,); None
            where there was none.
        now: The same for the thing that is there now; of another length where another network
            made it.

    >>> look_different(np.array([1, 0], np.float32), np.array([0.9, 0.1], np.float32))
    False
    """
    if before is None or before.shape != now.shape:
        return True
    lengths = float(np.linalg.norm(before) * np.linalg.norm(now))
    return float(before @ now) < DIFFERENT_LOOKS * lengths
