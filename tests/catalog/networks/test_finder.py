"""The network that finds things: small, the same with every engine, and right on drawn counters."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from catalog.core.box import Box, overlap
from catalog.core.errors import FeaturizerError
from catalog.networks import finder
from catalog.networks.engines.checkpoint import parameters_of
from catalog.networks.engines.choice import CHOICES
from catalog.networks.engines.params import unpacked
from catalog.networks.finder import (
    FOLDER,
    FoundThing,
    ThingFinder,
    find_things,
    findings_of,
    open_finder,
    ordered,
)
from catalog.networks.finder_answer import CHANNELS, boxes_of, extent, filling
from catalog.synthetic.items import drawn_items
from catalog.synthetic.render import View, render
from edge.simulator.backgrounds import background

ENGINES = (*CHOICES[1:], "opencv", pytest.param("mxnet", marks=pytest.mark.mxnet))
MOST_BYTES = 3_000_000
PICTURES = 12


def counter_with(number: int) -> tuple[NDArray[np.uint8], Box]:
    """A drawn counter with one drawn thing on it, and the thing's box."""
    random = np.random.default_rng(number)
    image = background(number).copy()
    item = drawn_items()[number * 17 % len(drawn_items())]
    cutout = render(item, View(yaw=20, pitch=12, size=int(random.integers(150, 300))))
    rows, columns = cutout.shape[:2]
    x = int(random.integers(20, image.shape[1] - columns - 20))
    y = int(random.integers(20, image.shape[0] - rows - 20))
    box = Box(x, y, columns, rows)
    share = cutout[..., 3:] / np.float32(255)
    part = box.cut(image)
    part[:] = part * (1 - share) + cutout[..., :3] * share
    return image, box


def answer_about(*things: tuple[slice, slice]) -> NDArray[np.float32]:
    """The network's answer where it is certain of these things, by their rows and columns."""
    answer = np.full((CHANNELS, 40, 40), -9, np.float32)
    for rows, columns in things:
        answer[:4, rows, columns] = 9
        down, across = np.mgrid[rows, columns] + 0.5
        sides = (
            across - columns.start,
            down - rows.start,
            columns.stop - across,
            rows.stop - down,
        )
        for place, cells in zip(answer[5:, rows, columns], sides, strict=True):
            place[:] = np.log(np.expm1(cells / 5))  # before the softplus, in eighths
        near = np.minimum(sides[0], sides[2]) * np.minimum(sides[1], sides[3])
        answer[4, rows, columns] = np.where(near >= near.max() / 2, 3, -3)
    return answer


def test_things_on_counters_are_found() -> None:
    overlaps = []
    for number in range(PICTURES):
        image, box = counter_with(number)
        boxes = ThingFinder().find(image) and find_things(image, CHOICES[0]).boxes
        overlaps.append(overlap(boxes[0], box) if boxes else 0.0)
    assert sum(found >= 0.7 for found in overlaps) >= PICTURES - 2, overlaps


def test_an_empty_counter_is_searched_as_a_whole() -> None:
    found = [find_things(background(seed), CHOICES[0]).part for seed in range(5)]
    assert found.count(None) >= 4


@pytest.mark.parametrize("engine", ENGINES)
def test_all_engines_agree(engine: str) -> None:
    image, _ = counter_with(3)
    one, other = (ThingFinder(name).answer(image) for name in (CHOICES[0], engine))
    assert np.abs(one - other).max() < 1e-3


def test_it_is_small_and_both_its_files_hold_the_same_numbers() -> None:
    initialisers = onnx.load(FOLDER / "network.onnx").graph.initializer
    numbers = {
        onnx.numpy_helper.to_array(tensor).astype(np.float16).tobytes() for tensor in initialisers
    }
    parameters = parameters_of(FOLDER / "network.onnx")
    assert numbers >= {array.tobytes() for array in unpacked(parameters, FOLDER)[1]}
    assert (FOLDER / "network.onnx").stat().st_size <= MOST_BYTES
    assert len(parameters) <= MOST_BYTES


def test_things_that_touch_come_apart() -> None:
    boxes, certainties = boxes_of(
        answer_about((slice(5, 25), slice(4, 14)), (slice(5, 25), slice(14, 30)))
    )
    expected = np.array([[4, 5, 14, 25], [14, 5, 30, 25]], np.float32) / 40
    assert np.allclose(boxes[np.argsort(boxes[:, 0])], expected, atol=0.01)
    assert (certainties > 0.9).all()


def test_the_sure_and_large_thing_in_the_middle_is_meant() -> None:
    middle, corner = Box(300, 200, 160, 120), Box(0, 0, 160, 120)
    things = [
        FoundThing(corner, 0.9),
        FoundThing(middle, 0.9),
        FoundThing(Box(9, 9, 600, 400), 0.3),
    ]
    boxes = ordered(things, 640, 480)
    assert boxes == (middle, corner)
    assert findings_of(boxes, 640, 480).part == Box(284, 164, 192, 192)
    assert ordered(things[2:], 640, 480) == (), "no thing is sure"
    assert findings_of((), 640, 480).part is None
    filling, small = Box(5, 5, 630, 470), Box(300, 200, 60, 60)
    assert findings_of((filling,), 640, 480).part is None, "nothing is gained by a cut"
    assert findings_of((small,), 640, 480).part is None, "it is mostly a wrong one"


def test_looks_from_nearer_make_the_first_box_better() -> None:
    """Of boxes in the whole picture some are wrong by a fifth of the thing's size."""
    finder = ThingFinder(CHOICES[0])
    far: list[float] = []
    near: list[float] = []
    for number in range(PICTURES):
        image, box = counter_with(number)
        for found, closely in ((far, False), (near, True)):
            boxes = finder.look(image, closely=closely).boxes
            found.append(overlap(boxes[0], box) if boxes else 0.0)
    assert np.mean(near) > np.mean(far)


@pytest.mark.parametrize("hollow", [False, True])
def test_what_looks_hollow_from_nearer_is_not_meant(
    monkeypatch: pytest.MonkeyPatch, hollow: bool
) -> None:
    """A large print in the background looks like a thing from afar alone."""
    bright, dark = (slice(0, 20), slice(0, 20)), (slice(16, 24), slice(16, 24))
    picture = np.zeros((480, 640, 3), np.uint8)
    Box(0, 0, 320, 240).cut(picture)[:] = 255

    def answer(_: ThingFinder, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        if image.shape == picture.shape:
            return answer_about(bright, dark)
        nearer = answer_about((slice(9, 31), slice(9, 31)))
        if hollow and image.mean() > 100:
            nearer[:4] = -1
        return nearer

    monkeypatch.setattr(ThingFinder, "answer", answer)
    monkeypatch.setattr(finder, "NEARER_LOOKS", 1)
    found = ThingFinder(CHOICES[0]).look(picture).boxes
    assert (found[0].x > 200) == hollow
    assert len(found) == 2, "the other thing stays"


def test_a_thing_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From nearer, what was found twice is one thing."""
    whole, part = Box(200, 150, 200, 200), Box(200, 150, 200, 80)
    things = (FoundThing(part, 0.9), FoundThing(whole, 0.8), FoundThing(Box(10, 10, 80, 80), 0.7))
    monkeypatch.setattr(ThingFinder, "find", lambda *_: things)
    monkeypatch.setattr(
        ThingFinder, "_closely", lambda _, __, box: (whole, 1.0) if box == part else (box, 0.5)
    )
    found = ThingFinder(CHOICES[0]).look(np.zeros((480, 640, 3), np.uint8)).boxes
    assert found == (whole, Box(10, 10, 80, 80))


def test_how_much_of_a_box_is_a_thing() -> None:
    mask = np.zeros((40, 40), np.float32)
    mask[:, :20] = 1
    for box, share in (((0, 0, 1, 1), 0.5), ((0, 0, 0.5, 1), 1.0), ((0.25, 0, 0.75, 0.5), 0.5)):
        assert filling(mask, np.array(box, np.float32)) == share
    assert filling(mask, np.array((0.5, 0.5, 0.5, 0.5), np.float32)) == 0, "an empty box"
    assert filling(mask, np.array((-1, -1, 0.5, 2), np.float32)) == 1, (
        "what is beside it is no part"
    )


@pytest.mark.parametrize(("width", "height"), [(1, 1), (50, 1), (1, 50), (2, 2)])
def test_a_look_from_nearer_stays_inside_the_picture(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answer_about((slice(0, 40), slice(20, 40)))
    monkeypatch.setattr(ThingFinder, "answer", lambda *_: answer)
    for box in ThingFinder(CHOICES[0]).look(np.zeros((height, width, 3), np.uint8)).boxes:
        assert 0 <= box.x < box.x + box.width <= width
        assert 0 <= box.y < box.y + box.height <= height


def test_a_thing_reaches_as_far_as_the_mask_shows_it() -> None:
    mask = np.zeros((80, 80), np.float32)
    mask[20:40, 30:60] = 0.9
    mask[70:, 70:] = 0.9  # another thing
    around = np.array([0.4, 0.27, 0.72, 0.48], np.float32)
    found = extent(mask, around)
    assert found is not None
    assert np.allclose(found, np.array([30, 20, 60, 40]) / 80)
    assert extent(np.zeros((80, 80), np.float32), around) is None


def test_where_no_engine_runs_it_pictures_are_searched_whole(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise FeaturizerError("this engine cannot")

    monkeypatch.setattr(finder, "open_engine", refuse)
    open_finder.cache_clear()
    with caplog.at_level(logging.WARNING):
        found = find_things(np.zeros((48, 64, 3), np.uint8), "other")
    open_finder.cache_clear()
    assert (found.boxes, found.part) == ((), None)
    assert "this engine cannot" in caplog.text


def test_a_tiny_picture_has_boxes_inside_it() -> None:
    for width, height in ((8, 8), (9, 300), (300, 9)):
        image = np.random.default_rng(width).integers(0, 256, (height, width, 3)).astype(np.uint8)
        for thing in ThingFinder().find(image):
            box = thing.box
            assert 0 <= box.x < box.x + box.width <= width
            assert 0 <= box.y < box.y + box.height <= height


def test_another_network_in_its_place_is_refused(tmp_path: Path) -> None:
    from tests.support.networks import write_featurizer

    write_featurizer(tmp_path / "other")
    with pytest.raises(FeaturizerError, match="shape"):
        ThingFinder(CHOICES[0], tmp_path / "other").find(np.zeros((48, 64, 3), np.uint8))
