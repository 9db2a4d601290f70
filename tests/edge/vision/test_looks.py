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
        self.has_taught_items = lambda: False
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


def test_a_look_knows_what_it_took(views: list[Image]) -> None:
    stand_in, looks = cast("Bundle", StandIn()), Looks()
    crops = [looks.add(stand_in, view, BOX, None) for view in views]
    kept = list(looks._looks)
    assert [look.crop for look in kept] == crops
    assert [(look.embed_ms, look.describe_ms) for look in kept] == [(0, 0)] * 3
    kept[0].output(stand_in, 0)
    once = kept[0].embed_ms
    kept[0].output(stand_in, 0)
    assert kept[0].embed_ms == once > 0
    kept[0].output(stand_in, 1)
    assert kept[0].embed_ms > once


def test_what_is_prepared_is_all_that_a_search_needs(views: list[Image]) -> None:
    stand_in, looks = StandIn(), Looks()
    for view in views[:2]:
        looks.add(cast("Bundle", stand_in), view, BOX, None)
    looks.prepare(cast("Bundle", stand_in))
    assert [network.runs for network in stand_in.networks] == [1, 1]
    assert looks.best()._outputs.keys() == {0, 1}


def with_sharpness(levels: int) -> Image:
    """A view whose sharpness grows with the square of its grey levels."""
    view = np.full((96, 96, 3), 100, np.uint8)
    view[::2, ::2] += np.uint8(levels)
    return view


def looks_of(*levels: int, described: int | None = None) -> Looks:
    """Looks at such views; one of them is described when it comes."""
    stand_in, looks = cast("Bundle", StandIn()), Looks()
    for number, level in enumerate(levels):
        looks.add(stand_in, with_sharpness(level), BOX, None)
        if number == described:
            looks._looks[-1].descriptors(stand_in)
    return looks


@pytest.mark.parametrize(
    ("levels", "kept"),
    [
        ([100, 60], 2),  # 36 % as sharp
        ([100, 58], 1),  # 34 %
        ([58, 100], 1),
        ([0, 0], 2),
        ([90, 10, 100, 100, 100, 100], 4),  # of the newest five
    ],
)
def test_blurred_looks_are_left_out(levels: list[int], kept: int) -> None:
    assert len(looks_of(*levels).sharp()) == kept


@pytest.mark.parametrize(
    ("levels", "enough", "in_focus"),
    [
        ([50], False, False),
        ([50, 50], True, True),
        ([0, 0], True, True),
        ([50, 53], True, True),  # 12 % sharper
        ([50, 54], True, False),  # 17 %
        ([60, 50, 64], True, True),
        ([60, 50, 65], True, False),
        ([10, 11, 12, 14, 16, 18, 20, 23, 26, 30, 34], True, False),
        ([10, 11, 12, 14, 16, 18, 20, 23, 26, 30, 34, 39], True, True),  # the camera has had time
    ],
)
def test_a_camera_that_still_focuses_is_waited_for(
    levels: list[int], *, enough: bool, in_focus: bool
) -> None:
    looks = looks_of(*levels)
    assert (looks.are_enough, looks.in_focus) == (enough, in_focus)


@pytest.mark.parametrize(
    ("levels", "described", "best"),
    [
        ([50, 60, 55], None, 1),
        ([50, 52], 0, 0),  # 8 % sharper is not worth describing another look
        ([50, 53], 0, 1),
        ([50, 52], None, 1),
    ],
)
def test_the_sharpest_look_is_the_best(levels: list[int], described: int | None, best: int) -> None:
    looks = looks_of(*levels, described=described)
    assert looks.best() is looks._looks[best]


def test_three_cuts_at_the_camera_s_resolution_are_kept_for_codes() -> None:
    looks = Looks()
    for level in range(5):
        frame = np.full((120, 160, 3), level, np.uint8)
        looks.add(cast("Bundle", StandIn()), frame, Box(5, 10, 100, 90), None)
    assert [image.shape for image in looks.images] == [(90, 100, 3)] * 3
    assert [int(image[0, 0, 0]) for image in looks.images] == [2, 3, 4]
