"""Views are taken when a thing rests, and when it shows another side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.core.box import Box
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.sighting import Frame
from edge.simulator.play import Play
from edge.taught import collecting
from edge.taught.collecting import Progress, ViewCollector
from edge.taught.taught import Taught
from edge.taught.wish import Wish
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.scene import Activity, SceneState
from edge.vision.verdict import NOTHING
from tests.support.drawing import draw_thing

SEED = 77_001


@pytest.fixture(scope="module")
def bundle(demonstration: Path) -> Bundle:
    return Bundle.open(demonstration)


def test_a_thing_that_was_turned_before_the_camera_is_known_the_next_time(
    bundle: Bundle, tmp_path: Path
) -> None:
    thing = next(iter(foreign_things(SEED, 1, HELD_OUT)))
    taught = Taught(tmp_path)
    taught.use(bundle)
    recognizer = Recognizer(bundle)
    play = Play(SEED, kinds=("foreign",), foreign=[thing])
    collector = taught.collector
    assert collector.progress() is None
    collector.begin()
    stages = set()
    number = 0

    def show(acts: range) -> set[str]:
        """Show the thing again and again, each time in another pose; gives what was named."""
        nonlocal number
        named = set()
        for act in acts:
            for index in play.frames(act):
                if index % 3 == 0:
                    number += 1
                    frame = Frame(play.frame(index)[0], index / play.fps, number)
                    observation = recognizer.observe(frame)
                    collector.observed(frame, observation)
                    if (progress := collector.progress()) is not None:
                        stages.add(progress.stage)
                    if observation.decision.matches:
                        named.add(observation.decision.matches[0].sku)
        return named

    act = 0
    while (progress := collector.progress()) is not None and len(progress.views) < 3:
        show(range(act, act + 1))
        act += 1
    assert act < 8, "some showings resemble each other"
    assert progress is not None
    assert stages == {"show", "still", "turn", "done"}
    for view in progress.views:
        assert view.frame_size == play.size
        assert view.box.width > 0
    item = taught.save(Wish(title="A thing of our own"), progress.views)
    assert collector.progress() is None, "what is saved is done"
    assert item.sku in show(range(act, act + 2))


def test_a_lesson_that_nobody_follows_ends(small_bundle: Path) -> None:
    now = [1000.0]
    collector = ViewCollector(lambda: now[0])
    box = Box(0, 0, 8, 8)
    empty = Observation(
        Bundle.open(small_bundle),
        NOTHING,
        decision_changed=False,
        scene=SceneState(Activity.EMPTY, empty=True, box=box, steady=True),
    )
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0.0, 1)
    collector.begin()
    now[0] += collecting.LONGEST_S - 1
    collector.observed(frame, empty)
    assert collector.progress() is not None, "each question for the progress keeps it"
    now[0] += collecting.LONGEST_S + 1
    collector.observed(frame, empty)
    assert collector.progress() is None


def test_what_comes_after_the_wanted_views_is_taken_only_where_that_is_asked(
    small_bundle: Path,
) -> None:
    bundle, collector = Bundle.open(small_bundle), ViewCollector()
    scene = SceneState(Activity.REST, empty=False, box=Box(0, 0, 96, 96), steady=True)
    seen = Observation(
        bundle, NOTHING, decision_changed=False, scene=scene, features=np.zeros(4, np.float32)
    )

    def views_after(things: range) -> int:
        for thing in things:
            picture = cv2.copyMakeBorder(
                draw_thing(thing, 0, 96), 0, 0, 0, 32, cv2.BORDER_REPLICATE
            )
            collector.observed(Frame(np.asarray(picture, np.uint8), 0.0, thing), seen)
        progress = collector.progress()
        assert progress is None or {view.frame_size for view in progress.views} == {(128, 96)}
        return len(progress.views) if progress is not None else 0

    assert not collector.take_more()
    collector.begin()
    assert views_after(range(5)) == collecting.WANTED
    assert collector.take_more()
    assert views_after(range(5, 9)) == collecting.WANTED + 4
    assert views_after(range(9, 14)) == collecting.MOST


def test_a_view_that_cannot_be_taken_does_not_stop_the_recognition(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = SceneState(Activity.REST, empty=False, box=Box(0, 0, 8, 8), steady=True)
    seen = Observation(Bundle.open(small_bundle), NOTHING, decision_changed=False, scene=scene)
    collector = ViewCollector()
    collector.begin()
    monkeypatch.setattr(collecting, "_after", lambda *_: 1 / 0)
    collector.observed(Frame(np.zeros((8, 8, 3), np.uint8), 0.0, 1), seen)
    assert "a view cannot be taken" in caplog.text
    assert collector.progress() is not None


def test_where_nobody_teaches_nothing_is_looked_at(
    small_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = SceneState(Activity.REST, empty=False, box=Box(0, 0, 8, 8), steady=True)
    seen = Observation(Bundle.open(small_bundle), NOTHING, decision_changed=False, scene=scene)
    frame = Frame(np.zeros((8, 8, 3), np.uint8), 0.0, 1)
    collector = ViewCollector()
    collector.observed(frame, seen)
    assert collector.progress() is None
    collector.begin()
    collector.observed(frame, replace(seen, scene=None))
    assert collector.progress() == Progress()
    assert caplog.text == ""


def resting(bundle: Bundle, **changes: Any) -> Observation:
    """A thing rests in the left of a frame; its vector is known."""
    scene = SceneState(Activity.REST, empty=False, box=Box(0, 0, 96, 96), steady=True)
    seen = Observation(
        bundle, NOTHING, decision_changed=False, scene=scene, features=np.zeros(4, np.float32)
    )
    return replace(seen, **changes)


def frame_of(thing: int) -> Frame:
    picture = cv2.copyMakeBorder(draw_thing(thing, 0, 96), 0, 0, 0, 32, cv2.BORDER_REPLICATE)
    return Frame(np.asarray(picture, np.uint8), 0.0, thing)


def test_whoever_teaches_is_told_what_to_do_next(small_bundle: Path) -> None:
    seen, collector = resting(Bundle.open(small_bundle)), ViewCollector()
    assert seen.scene is not None
    empty, moving = (
        replace(seen, scene=replace(seen.scene, activity=activity), features=None)
        for activity in (Activity.EMPTY, Activity.MOVING)
    )
    collector.begin()

    def after(thing: int, observation: Observation) -> tuple[str, int, bool]:
        collector.observed(frame_of(thing), observation)
        progress = collector.progress()
        assert progress is not None
        assert (progress.box is None) is (observation is empty)
        return progress.stage, len(progress.views), progress.seen_already

    assert after(0, empty) == ("show", 0, False)
    assert after(1, moving) == ("still", 0, False)
    assert after(1, replace(seen, features=None)) == ("still", 0, False), "not looked at yet"
    assert after(1, seen) == ("turn", 1, False)
    assert after(1, seen) == ("turn", 1, True)
    assert after(1, empty) == ("show", 1, True)
    assert after(1, moving) == ("still", 1, False)
    assert after(2, seen) == ("turn", 2, False)
    assert after(3, seen) == ("done", 3, False)
    assert after(3, moving) == ("done", 3, False)
    progress = collector.progress()
    assert progress is not None
    first, *others = progress.views
    assert not collector.remove(max(view.id for view in others) + 1)
    assert collector.remove(first.id)
    progress = collector.progress()
    assert progress is not None
    assert list(progress.views) == others
    collector.end()
    assert not collector.remove(others[0].id)


def test_the_first_code_on_the_thing_is_told(small_bundle: Path) -> None:
    seen, collector = resting(Bundle.open(small_bundle)), ViewCollector()
    assert seen.scene is not None
    collector.begin()
    for text in ("shelf 7", "https://id.example/01/04006381333931", "another"):
        code = cv2.cvtColor(cv2.QRCodeEncoder.create().encode(text), cv2.COLOR_GRAY2BGR)
        picture = cv2.resize(code, (300, 300), interpolation=cv2.INTER_NEAREST)
        whole = replace(seen, scene=replace(seen.scene, box=Box(0, 0, 300, 300)))
        collector.observed(Frame(np.asarray(picture, np.uint8), 0.0, 1), whole)
        progress = collector.progress()
        assert progress is not None
        assert (progress.code, progress.gtin) == ("shelf 7", "")
    collector.begin()
    collector.observed(frame_of(1), seen)
    progress = collector.progress()
    assert progress is not None
    assert (progress.code, progress.gtin) == ("", "")
