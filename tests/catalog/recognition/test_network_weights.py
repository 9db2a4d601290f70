"""How much each of two networks counts is learned from the catalogue's own photos."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.core.vectors import Rows, Vectors, normalised
from catalog.recognition.network_weights import WeightQuery, learn_weight

LENGTH = 24  # of each network's vectors


def joined(first: Vectors, second: Vectors) -> Vectors:
    """Return both vectors (n, 24) side by side, equally weighted."""
    return np.hstack([normalised(first), normalised(second)]) * np.float32(np.sqrt(0.5))


def photos(items: int, each: int, noise: tuple[float, float], seed: int) -> tuple[Vectors, Rows]:
    """Draw vectors of photos, by two networks with different noise, and their item numbers."""
    random = np.random.default_rng(seed)
    owners = np.repeat(np.arange(items), each)
    parts = []
    for amount in noise:
        centres = random.normal(size=(items, LENGTH))
        spread = amount * random.normal(size=(len(owners), LENGTH))
        parts.append((centres[owners] + spread).astype(np.float32))
    return joined(parts[0], parts[1]), owners


def learned(vectors: Vectors, owners: Rows, queries: list[int]) -> float:
    """Learn with some of the photos as queries."""
    asked = [WeightQuery(number, vectors[number]) for number in queries]
    return learn_weight(vectors, owners, asked, LENGTH, 0.95)


@pytest.mark.parametrize(("noise", "better"), [((1.0, 4.0), 0), ((4.0, 1.0), 1)])
def test_the_network_that_tells_the_items_apart_counts_more(
    noise: tuple[float, float], better: int
) -> None:
    vectors, owners = photos(30, 4, noise, 5)
    weight = learned(vectors, owners, list(range(len(owners))))
    assert (weight, 1 - weight)[better] >= 0.7


def test_networks_as_good_as_each_other_count_about_the_same() -> None:
    vectors, owners = photos(30, 4, (1.2, 1.2), 6)
    assert 0.4 <= learned(vectors, owners, list(range(len(owners)))) <= 0.6


def test_a_few_photos_move_the_weight_less_than_many() -> None:
    vectors, owners = photos(30, 4, (1.0, 4.0), 7)
    few, many = (learned(vectors, owners, list(range(count))) for count in (4, 120))
    assert 0.5 <= few < many


def test_where_there_is_nothing_to_compare_both_count_the_same() -> None:
    vectors, owners = photos(1, 5, (1.0, 1.0), 8)
    assert learned(vectors, owners, [0, 1]) == 0.5
    vectors, owners = photos(5, 1, (1.0, 1.0), 8)
    assert learned(vectors, owners, []) == 0.5


def test_an_only_photo_asks_with_another_picture_of_itself() -> None:
    vectors, owners = photos(40, 2, (1.0, 4.0), 9)
    asked = [WeightQuery(number, vectors[2 * number + 1]) for number in range(40)]
    assert learn_weight(vectors[::2], owners[::2], asked, LENGTH, 0.95) >= 0.7
