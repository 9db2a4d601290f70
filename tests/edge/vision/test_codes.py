"""Codes on drawn packages, and the items that they name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item, Items, Photo, write_items, write_thumbnails
from catalog.recognition.decision import Verdict
from catalog.synthetic.render import View
from edge.sighting import Frame, Image
from edge.simulator.codes import CodeKind, drawn_code, package, random_text
from edge.simulator.compose import Placed, flattened
from edge.simulator.play import Play
from edge.vision.codes import Code, CodeReader, has_check_digit, spellings
from edge.vision.recognizer import Recognizer

EAN = "4006381333931"


@pytest.fixture(scope="module")
def play() -> Play:
    """A simulated counter."""
    return Play(12)


def shown(play: Play, kind: CodeKind, text: str, size: int = 330) -> Image:
    """A carton with this code on the counter."""
    view = View(yaw=12, pitch=5, roll=-6, size=size)
    cutout, _ = package(np.random.default_rng(4), drawn_code(kind, text), (90, 160, 60), view)
    return flattened(play.still(), [Placed(cutout, 150, 70, is_thing=True)])


def any_code(code: Code) -> bool:
    """A catalogue that knows every code."""
    return True


@pytest.mark.parametrize("kind", ["qr", "ean13", "upca", "ean8"])
def test_a_code_on_a_package_is_read(play: Play, kind: CodeKind) -> None:
    text = random_text(np.random.default_rng(7), kind)
    picture = shown(play, kind, text)
    code = CodeReader().read([play.sensed(picture, index) for index in range(3)], any_code)
    assert code is not None
    assert text in spellings(code.text)


def test_a_barcode_takes_two_frames_and_a_qr_code_one(play: Play) -> None:
    bars = play.sensed(shown(play, "ean13", "4006381333931"), 1)
    assert CodeReader().read([bars], any_code) is None
    assert CodeReader().read([bars, bars], any_code) == Code("EAN_13", "4006381333931")
    square = play.sensed(shown(play, "qr", "sku-1"), 1)
    assert CodeReader().read([square], any_code) == Code("qr", "sku-1")


def test_barcodes_that_differ_are_not_believed(play: Play) -> None:
    first, second = (
        play.sensed(shown(play, "ean13", text), 1) for text in ("4006381333931", "5901234123457")
    )
    assert CodeReader().read([first, second], any_code) is None


def test_a_code_that_no_item_has_does_not_hide_one_that_an_item_has(play: Play) -> None:
    size = (640, 300)
    both = np.full((size[1], size[0], 3), 235, np.uint8)
    for kind, text, left in (("qr", "https://brand.example/win", 20), ("ean13", EAN, 300)):
        code = drawn_code(kind, text)  # type: ignore[arg-type]
        scale = 220 / code.shape[0] if kind == "qr" else 300 / code.shape[1]
        drawn = cv2.resize(code, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        drawn = drawn if drawn.ndim == 3 else cv2.cvtColor(drawn, cv2.COLOR_GRAY2BGR)
        both[30 : 30 + min(240, drawn.shape[0]), left : left + drawn.shape[1]] = drawn[:240]
    assert CodeReader().read([both, both], any_code) == Code("qr", "https://brand.example/win")
    found = CodeReader().read([both, both], lambda code: code.text == EAN)
    assert found == Code("EAN_13", EAN)


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (1, 1)])
def test_the_thinnest_picture_has_no_code(shape: tuple[int, int]) -> None:
    assert CodeReader().read([np.zeros((*shape, 3), np.uint8)], any_code) is None


def test_no_code_is_read_where_there_is_none(play: Play) -> None:
    frames = [play.sensed(play.still(), index) for index in range(2)]
    assert CodeReader().read(frames, any_code) is None
    assert CodeReader().read([], any_code) is None


def test_check_digits() -> None:
    assert has_check_digit("4006381333931")
    assert has_check_digit("036000291452")
    assert has_check_digit("73513537")
    assert not has_check_digit("4006381333932")
    assert not has_check_digit("no digits")


def test_a_upc_is_spelt_as_ean_too() -> None:
    assert "0036000291452" in spellings("036000291452")
    assert "036000291452" in spellings("0036000291452")
    assert spellings("sku-7") == ("sku-7",)


def test_an_item_is_found_by_its_sku_or_its_code(tmp_path: Path) -> None:
    file, pictures = tmp_path / "items.db", tmp_path / "pictures.db"
    written = [
        Item("soap", "Soap", attributes={"code": "4006381333931 73513537"}),
        Item("036000291452", "Tissues"),
        Item("plain", "Plain"),
    ]
    write_items(tmp_path, written, [Photo(0, "soap", "soap.jpg", 9, 9, "")])
    write_thumbnails(pictures, [(0, b"")])
    items = Items(file, pictures)
    found = [items.with_code(spellings(text)) for text in ("73513537", "0036000291452", "1")]
    assert [None if item is None else item.title for item in found] == ["Soap", "Tissues", None]
    items.close()


def test_a_thing_at_rest_is_named_by_its_code(small_bundle: Path, play: Play) -> None:
    bundle = Bundle.open(small_bundle)
    sku = bundle.items.skus[-1]
    recognizer = Recognizer(bundle)
    package_shown = shown(play, "qr", sku)
    seen = []
    for number in range(16):
        picture = play.still() if number < 8 else package_shown
        seen.append(recognizer.observe(Frame(play.sensed(picture, number), number / 4, number + 1)))
    changed = [observation for observation in seen if observation.decision_changed]
    assert [observation.decision.verdict for observation in changed] == [Verdict.MATCH]
    assert changed[0].code == sku
    assert changed[0].decision.matches[0].sku == sku
    assert changed[0].decision.matches[0].similarity == 1
    searched = recognizer.search(play.sensed(package_shown, 3), None)
    assert searched.code == sku


def test_where_a_code_names_no_item_the_picture_decides(small_bundle: Path, play: Play) -> None:
    seen = Recognizer(Bundle.open(small_bundle)).search(shown(play, "qr", "nobody"), None)
    assert seen.code == ""
    assert seen.found


def test_drawn_codes_keep_their_quiet_zone() -> None:
    for kind in ("qr", "ean13", "upca", "ean8"):
        picture = drawn_code(kind, random_text(np.random.default_rng(1), kind))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        assert grey[:, :16].min() == grey[:, -16:].min() == 255
