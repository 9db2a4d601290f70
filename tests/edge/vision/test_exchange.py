"""When two looks show two things."""

import doctest

import numpy as np
import pytest

from edge.vision import exchange
from edge.vision.exchange import DIFFERENT_LOOKS, look_different


def looks(cosine: float) -> tuple[np.ndarray, np.ndarray]:
    """Two looks of different lengths whose cosine is this."""
    return (
        np.array([3.0, 0.0], np.float32),
        np.array([cosine, np.sqrt(1 - cosine**2)], np.float32) * 0.2,
    )


@pytest.mark.parametrize("side", [-0.02, 0.02])
def test_the_cosine_decides_whatever_the_lengths(side: float) -> None:
    before, now = looks(DIFFERENT_LOOKS + side)
    assert look_different(before, now) is (side < 0)


def test_without_a_look_before_or_of_another_network_it_is_another_thing() -> None:
    _, now = looks(1.0)
    assert look_different(None, now)
    assert look_different(np.ones(3, np.float32), now)


def test_the_example_holds() -> None:
    failed, tried = doctest.testmod(exchange, extraglobs={"np": np})
    assert tried == 1
    assert failed == 0
