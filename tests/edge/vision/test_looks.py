"""What is computed of a thing's looks, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.core.vectors import Tensor
from edge.sighting import Image
from edge.vision.looks import Looks
from edge.vision.thing_search import search_thing
from tests.support.drawing import draw_thing

BOX = Box(0, 0, 96, 96)


class Network:
    """A network whose output is the mean colour; it counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def raw(self, images: list[Image]) -> Tensor:
        """Mean colours, float32 (n, 3)."""
        self.runs += len(images)
        return np.array([image.mean((0, 1)) for image in images], np.float32)


class StandIn:
    """As much of a bundle as a search asks for."""

    def __init__(self) -> None:
        self.networks = [Network(), Network()]
        self.described = 0
        self.searched: list[Tensor] = []
        self.featurizer = SimpleNamespace(
            enough=96, networks=self.networks, join=np.hstack, vectors=lambda raw: raw
        )

    def describe(self, image: Image) -> Any:
        """Count, and describe nothing."""
        self.described += 1
        return SimpleNamespace(local_features=None)

    def identify(self, vector: Tensor, query: Any, count: int, **_: object) -> list[Any]:
        """Remember the vector, and find nothing."""
        self.searched.append(vector)
        return []


@pytest.fixture
def views() -> list[Image]:
    """Three views, the second one the sharpest."""
    sharp = draw_thing(1)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 1.5), np.uint8)
    return [blurred, sharp, np.asarray(cv2.GaussianBlur(sharp, (0, 0), 0.7), np.uint8)]


def search(stand_in: StandIn, looks: Looks) -> Tensor:
    """Search with the looks; the vector that was searched with."""
    search_thing(cast("Bundle", stand_in), looks, exact=False, foreign_share=None)
    return stand_in.searched[-1]


def test_what_was_prepared_while_waiting_is_not_computed_again(views: list[Image]) -> None:
    ready, unready = StandIn(), StandIn()
    prepared, plain = Looks(), Looks()
    for view in views:
        prepared.add(cast("Bundle", ready), view, BOX, None)
        prepared.prepare(cast("Bundle", ready))
        plain.add(cast("Bundle", unready), view, BOX, None)
    runs = ready.networks[0].runs
    assert runs == 2, "the first look alone may belong to a thing that moves on"
    vector = search(ready, prepared)
    assert vector == pytest.approx(search(unready, plain))
    assert ready.networks[0].runs == unready.networks[0].runs
    assert ready.described == unready.described == 1


def test_the_second_network_sees_the_sharpest_look_alone(views: list[Image]) -> None:
    stand_in, looks = StandIn(), Looks()
    for view in views:
        looks.add(cast("Bundle", stand_in), view, BOX, None)
    vector = search(stand_in, looks)
    assert stand_in.networks[1].runs == 1
    colours = views[1].mean((0, 1))
    assert vector[3:] / np.linalg.norm(vector[3:]) == pytest.approx(
        colours / np.linalg.norm(colours), abs=1e-5
    )
