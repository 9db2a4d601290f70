"""What touches the thing that is taught is a part of it, and what lies apart is not."""

from __future__ import annotations

import numpy as np

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from edge.sighting import Frame
from edge.taught.collecting import ViewCollector
from edge.taught.taught import Taught, Wish
from edge.taught.whole_thing import whole_thing
from edge.vision.picture_search import Observation
from edge.vision.scene import Activity, SceneState, SceneThing
from edge.vision.verdict import NOTHING

SIZE = (160, 120)
PLANT, POT, KEYS = Box(60, 20, 40, 30), Box(62, 50, 36, 40), Box(130, 100, 20, 10)


def beside(thing: Box) -> SceneThing:
    """A thing that does not lead; its square is as large as the thing."""
    return SceneThing(thing, thing, 2, 2, np.ones((thing.height, thing.width), np.float32))


def scene(*others: Box) -> SceneState:
    """The plant leads."""
    return SceneState(
        Activity.REST,
        empty=False,
        box=PLANT,
        steady=True,
        thing_box=PLANT,
        alpha=np.ones((PLANT.height // 2, PLANT.width // 2), np.float32),
        others=tuple(beside(other) for other in others),
    )


def test_what_touches_is_a_part_and_what_lies_apart_is_not() -> None:
    thing = whole_thing(scene(POT, KEYS), SIZE)
    assert thing.is_united
    assert thing.box == Box(60, 20, 40, 70)
    assert thing.alpha is not None
    assert thing.alpha.shape == (thing.square.height, thing.square.width)
    assert int((thing.alpha > 0).sum()) == PLANT.area + POT.area
    frame = np.full((*SIZE[::-1], 3), 90, np.uint8)
    pixels = thing.picture(frame, 640)
    assert int((pixels == 90).all(2).sum()) == PLANT.area + POT.area
    assert pixels[0, 0].min() > 200, "around it is a light ground"


def test_a_part_may_touch_another_part_alone() -> None:
    saucer = Box(50, 91, 60, 8)
    assert whole_thing(scene(saucer, POT), SIZE).box == Box(50, 20, 60, 79)


def test_a_thing_that_touches_nothing_is_as_the_scene_takes_it() -> None:
    for state in (scene(), scene(KEYS)):
        thing = whole_thing(state, SIZE)
        assert (thing.square, thing.box, thing.is_united) == (PLANT, PLANT, False)
        assert thing.alpha is state.alpha


def test_the_whole_thing_is_kept(taught: Taught, bundle: Bundle) -> None:
    """What the network said of a part is not kept as if it were said of all."""
    collector = ViewCollector()
    collector.begin()
    image = np.random.default_rng(1).integers(0, 200, (*SIZE[::-1], 3)).astype(np.uint8)
    seen = Observation(
        bundle,
        NOTHING,
        decision_changed=False,
        scene=scene(POT),
        features=bundle.featurizer.raw([np.zeros((8, 8, 3), np.uint8)])[0],
    )
    collector.observed(Frame(image, 0.0, 1), seen)
    progress = collector.progress()
    assert progress is not None
    assert progress.box == Box(60, 20, 40, 70)
    (view,) = progress.views
    item = taught.save(Wish(title="Plant"), progress.views)
    (vector,) = bundle._overlay.vectors(item.sku)
    assert vector @ bundle.featurizer.embed([view.picture])[0] > 0.99
