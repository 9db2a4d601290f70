"""Things at rest are read once, and the answer is refined once by what stands on them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.bundles.match import Match
from catalog.core.photos import Picture
from catalog.networks.featurizer import Featurizer
from catalog.networks.text_reader import TextReader
from catalog.recognition.decision import Verdict
from catalog.sources.source import SourceItem
from catalog.synthetic.drawing import Drawing, DrawnItem, Label
from catalog.synthetic.photos import photograph
from catalog.synthetic.render import View, render
from edge.sighting import Frame, Image
from edge.simulator.compose import Placed, flattened
from edge.simulator.play import Play
from edge.vision.picture_search import Observation, search_picture
from edge.vision.recognizer import Recognizer
from edge.vision.text_reading import TextReading, WordReading
from edge.vision.verdict import Decision

PLAIN = Drawing("carton", (), (0.6, 1.0, 0.3), Label("Zarrovel", "", layout="band", icon="leaf"))
OTHER = Drawing(
    "carton", (), (1.0, 0.5, 0.2),
    Label("Kombrado", "", ground="#10305a", accent="#ffd166", ink="#ffffff", layout="halves"),
)  # fmt: skip


class WatchedReading(TextReading):
    """A text reading whose pending results a test may wait for."""

    def __init__(self) -> None:
        super().__init__("when unsure", TextReader())
        self.started: list[Future[WordReading]] = []

    def start(
        self,
        bundle: Bundle,
        found: Sequence[Match],
        image: Image,
        foreign_share: float | None = None,
    ) -> Future[WordReading]:
        """Begin to read, and remember it."""
        self.started.append(super().start(bundle, found, image, foreign_share))
        return self.started[-1]


def named(drawing: Drawing, name: str) -> DrawnItem:
    """A package with this name on its label."""
    assert drawing.label is not None
    return DrawnItem("shown", "", replace(drawing, label=replace(drawing.label, name=name)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, filled_cache: Path) -> Bundle:
    """Two items with the same photos, another with a photo, and two without."""
    folder = tmp_path_factory.mktemp("words")
    photos = []
    for number in range(2):
        photos.append(str(folder / f"{number}.png"))
        cv2.imwrite(photos[-1], photograph(named(PLAIN, ""), number))
    cv2.imwrite(str(folder / "hook.png"), photograph(DrawnItem("hook", "", OTHER), 0))
    sources = [
        SourceItem(Item("ginger", "Zarrovel tea Ginger"), tuple(photos)),
        SourceItem(Item("vanilla", "Zarrovel tea Vanilla"), tuple(photos)),
        SourceItem(Item("plain", "Plain box"), (str(folder / "hook.png"),)),
        SourceItem(Item("almond", "Kombrado coffee Almond"), ()),
        SourceItem(Item("cherry", "Kombrado coffee Cherry"), ()),
    ]
    report = build(sources, folder / "b", Featurizer.open(), filled_cache, "Words")
    assert report.only_by_reading == ("almond", "cherry")
    return Bundle.open(folder / "b")


def picture(play: Play, drawing: Drawing, name: str) -> Image:
    """A package on the counter."""
    cutout = render(named(drawing, name), View(yaw=4, pitch=3, roll=3, size=330))
    return flattened(play.still(), [Placed(cutout, 150, 70, is_thing=True)])


def answers(bundle: Bundle, shown: Image, play: Play, text: WatchedReading) -> list[Observation]:
    """The changed answers about a thing that comes to rest on an empty counter."""
    recognizer = Recognizer(bundle, text)
    seen = []
    for number in range(24):
        still = play.still() if number < 8 else shown
        seen.append(recognizer.observe(Frame(play.sensed(still, number), number / 4, number + 1)))
        for pending in text.started:
            pending.result(timeout=60)
    return [observation for observation in seen if observation.decision_changed]


@pytest.mark.parametrize("name", ["Ginger", "Vanilla"])
def test_words_tell_two_items_apart_that_look_the_same(bundle: Bundle, name: str) -> None:
    play, text = Play(12), WatchedReading()
    first, refined = answers(bundle, picture(play, PLAIN, name), play, text)
    assert first.decision.verdict is Verdict.ONE_OF
    assert refined.decision.verdict is Verdict.MATCH
    assert refined.decision.matches[0].sku == name.lower()
    assert refined.timings.text > 0
    assert len(text.started) == 1, "a thing at rest is read once"
    text.close()


def test_an_item_without_a_photo_is_named_by_its_words(bundle: Bundle) -> None:
    play, text = Play(12), WatchedReading()
    shown = picture(play, replace(OTHER, colours=()), "Almond")
    observation = search_picture(bundle, shown, None, text)
    assert "Kombrado" in observation.lines
    by_words = [match.sku for match in observation.found if match.photo is None]
    assert by_words[0] == "almond"
    text.close()


def test_reading_is_wanted_where_it_may_help() -> None:
    class Nothing:
        """Reads nothing."""

        def read(self, picture: Picture) -> tuple[str, ...]:
            """Return no line."""
            del picture
            return ()

    sure = Decision(Verdict.MATCH, (Match("a", 0, 0.9, 0.99),))
    unsure = Decision(Verdict.MATCH, (Match("a", 0, 0.9, 0.7),))
    when_unsure, always = (TextReading(when, Nothing()) for when in ("when unsure", "always"))
    assert [when_unsure.wanted(sure), when_unsure.wanted(unsure)] == [False, True]
    assert when_unsure.wanted(Decision(Verdict.UNKNOWN))
    assert when_unsure.wanted(sure, some_without_photo=True)
    assert always.wanted(sure)
    assert not TextReading("off", Nothing()).wanted(unsure, some_without_photo=True)
    assert not TextReading("always", None).wanted(unsure), "the extra is not installed"


def test_the_reader_is_opened_once_before_there_is_a_thing(bundle: Bundle) -> None:
    class Counting:
        """Counts the pictures."""

        read_pictures = 0

        def read(self, picture: Picture) -> tuple[str, ...]:
            """Return no line."""
            del picture
            self.read_pictures += 1
            return ()

    play, reader = Play(12), Counting()
    text = TextReading("always", reader)
    recognizer = Recognizer(bundle, text)
    for number in range(6):
        picture = play.sensed(play.still(), number)
        recognizer.observe(Frame(picture, number / 4, number + 1))
    text.start(bundle, [], picture).result(timeout=60)  # after what was begun before
    assert reader.read_pictures == 2
    text.close()


def test_a_failure_to_read_changes_nothing(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        """Fails."""

        def read(self, picture: Picture) -> tuple[str, ...]:
            """Raise as a library may."""
            raise RuntimeError(f"cannot read {picture.shape}")

    found = [Match("ginger", 0, 0.9, 0.5)]
    play = Play(12)
    reading = TextReading("always", Broken()).read(bundle, found, play.still())
    assert (reading.lines, reading.found) == ((), tuple(found))
    assert "could not be read" in caplog.text
