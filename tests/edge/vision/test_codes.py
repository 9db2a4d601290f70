"""Codes on drawn packages, and the items that they name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item, Items, Photo, write_items, write_thumbnails
from catalog.recognition.decision import Verdict
from catalog.synthetic.render import View
from edge.sighting import Frame, Image
from edge.simulator.codes import CodeKind, drawn_code, package, random_text
from edge.simulator.compose import Placed, flattened
from edge.simulator.play import Play
from edge.vision import picture_search
from edge.vision.bars import bar_places
from edge.vision.codes import Code, has_check_digit, read_codes, spellings
from edge.vision.picture_search import Observation
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


def first_code(frames: list[Image]) -> Code | None:
    """The code of a catalogue that knows every code."""
    return next(read_codes(frames), None)


def product_number(kind: str, text: str) -> str:
    """The product number of a code."""
    return Code(kind, text).gtin


def drawn_symbol(symbology: str, text: str, module: int = 3, angle: float = 0) -> list[Image]:
    """Two looks at a code of any symbology, soft and noisy.

    A module has so many pixels, and the code is turned by so many degrees.
    """
    code = zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(symbology))
    grey = np.array(zxingcpp.write_barcode_to_image(code, scale=module))
    height, width = grey.shape
    side = round(float(np.hypot(height, width))) + 40
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(grey, turn, (side, side), borderValue=(255,))
    soft = cv2.GaussianBlur(cv2.cvtColor(turned, cv2.COLOR_GRAY2BGR), (0, 0), 0.8)
    random = np.random.default_rng(1)
    noise = (random.normal(0, 4, soft.shape) for _ in range(2))
    return [np.clip(soft + one, 0, 255).astype(np.uint8) for one in noise]


def written_items(folder: Path, items: list[Item]) -> Items:
    """The opened metadata of some items; the first one has a photo."""
    write_items(folder, items, [Photo(0, items[0].sku, "photo.jpg", 9, 9, "")])
    write_thumbnails(folder / "pictures.db", [(0, b"")])
    return Items(folder / "items.db", folder / "pictures.db")


def answers(bundle: Bundle, play: Play, thing_shown: Image) -> list[Observation]:
    """The changed answers about a thing that comes to an empty counter and rests there."""
    recognizer = Recognizer(bundle)
    seen = []
    for number in range(16):
        picture = play.still() if number < 8 else thing_shown
        seen.append(recognizer.observe(Frame(play.sensed(picture, number), number / 4, number + 1)))
    return [observation for observation in seen if observation.decision_changed]


@pytest.mark.parametrize("kind", ["qr", "ean13", "upca", "ean8"])
def test_a_code_on_a_package_is_read(play: Play, kind: CodeKind) -> None:
    text = random_text(np.random.default_rng(7), kind)
    picture = shown(play, kind, text)
    code = first_code([play.sensed(picture, index) for index in range(3)])
    assert code is not None
    assert text in code.spellings


def test_a_barcode_takes_two_frames_and_a_qr_code_one(play: Play) -> None:
    bars = play.sensed(shown(play, "ean13", "4006381333931"), 1)
    assert first_code([bars]) is None
    assert first_code([bars, bars]) == Code("EAN13", "4006381333931")
    square = play.sensed(shown(play, "qr", "sku-1"), 1)
    assert first_code([square]) == Code("QRCode", "sku-1")


def test_barcodes_that_differ_are_not_believed(play: Play) -> None:
    first, second = (
        play.sensed(shown(play, "ean13", text), 1) for text in ("4006381333931", "5901234123457")
    )
    assert first_code([first, second]) is None


def test_a_code_that_no_item_has_does_not_hide_one_that_an_item_has(play: Play) -> None:
    size = (640, 300)
    both = np.full((size[1], size[0], 3), 235, np.uint8)
    for kind, text, left in (("qr", "https://brand.example/win", 20), ("ean13", EAN, 300)):
        code = drawn_code(kind, text)  # type: ignore[arg-type]
        scale = 220 / code.shape[0] if kind == "qr" else 300 / code.shape[1]
        drawn = cv2.resize(code, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        drawn = drawn if drawn.ndim == 3 else cv2.cvtColor(drawn, cv2.COLOR_GRAY2BGR)
        both[30 : 30 + min(240, drawn.shape[0]), left : left + drawn.shape[1]] = drawn[:240]
    assert first_code([both, both]) == Code("QRCode", "https://brand.example/win")
    assert list(read_codes([both, both]))[1:] == [Code("EAN13", EAN)]


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (1, 1)])
def test_the_thinnest_picture_has_no_code(shape: tuple[int, int]) -> None:
    assert first_code([np.zeros((*shape, 3), np.uint8)]) is None


def test_no_code_is_read_where_there_is_none(play: Play) -> None:
    frames = [play.sensed(play.still(), index) for index in range(2)]
    assert first_code(frames) is None
    assert first_code([]) is None


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


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("EAN13", "0036000291452"),
        ("DataBarOmni", "(01)00036000291452"),
        ("DataBar", "00036000291452"),
        ("DataMatrix", "(01)00036000291452(17)270101(10)AB-1"),
        ("Code128", "(00)340063810000000014(01)00036000291452"),
        ("ITF", "00036000291452"),
        ("QRCode", "0100036000291452<GS>10AB-1"),
        ("DataMatrix", "]d2010003600029145217270101"),
        *((kind, "0100036000291452") for kind in ("QRCode", "DataMatrix", "Code128")),
        ("Code39", "]C10100036000291452"),
        ("Code39", "010003600029145210AB-1"),
        ("QRCode", "https://id.gs1.org/01/00036000291452/10/AB-1?17=270101"),
        ("QRCode", "https://shop.example/some/path/gtin/036000291452"),
    ],
)
def test_a_product_number_is_one_number_however_it_is_written(kind: str, text: str) -> None:
    assert product_number(kind, text) == "036000291452"
    assert "0036000291452" in Code(kind, text).spellings


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("QRCode", "(01)00036000291453"),
        ("QRCode", "036000291452"),
        ("QRCode", "0100036000291453"),
        ("QRCode", "01000360002914521"),
        ("QRCode", "https://shop.example/01/2026"),
        ("QRCode", "https://[shop.example/01/00036000291452"),
        ("ITF", "12345670"),
        ("Code39", "AB-1"),
        *((kind, "0100036000291452") for kind in ("Code39", "Code93", "ITF", "Codabar", "PDF417")),
    ],
)
def test_other_texts_are_no_product_numbers(kind: str, text: str) -> None:
    assert product_number(kind, text) == ""


@pytest.mark.parametrize(
    ("symbology", "text"),
    [
        *((name, "sku-1") for name in ("QRCode", "DataMatrix", "Aztec", "PDF417")),
        *((name, "SKU-1234") for name in ("Code128", "Code39", "Code93")),
        ("MicroQRCode", "12345"),
        *(("EAN13", EAN), ("EAN8", "73513537"), ("UPCA", "036000291452"), ("UPCE", "01234565")),
        *(("ITF", "00123456"), ("Codabar", "A1234567B")),
        *((name, f"(01)0{EAN}") for name in ("DataBarOmni", "DataBarLtd", "DataBarStkOmni")),
        *((name, f"(01)0{EAN}(10)AB") for name in ("DataBarExp", "DataBarExpStk")),
    ],
)
def test_each_symbology_is_read(symbology: str, text: str) -> None:
    written = {"UPCE": "012345000065", "Codabar": "1234567"}.get(symbology, text)
    assert {written, EAN} & set(next(read_codes(drawn_symbol(symbology, text))).spellings)


@pytest.mark.parametrize(
    ("symbology", "angle"), [("MicroQRCode", 60), ("DataMatrix", 40), ("QRCode", 140), ("Aztec", 0)]
)
def test_a_small_matrix_code_is_read_however_it_is_turned(symbology: str, angle: float) -> None:
    text = "12345" if symbology == "MicroQRCode" else "sku-1"
    frames = drawn_symbol(symbology, text, module=2, angle=angle)
    assert [code.text for code in read_codes(frames)] == [text]


def test_a_blurred_frame_between_two_sharp_ones_hides_no_barcode() -> None:
    first, last = drawn_symbol("EAN13", EAN)
    blurred = np.asarray(cv2.GaussianBlur(first, (0, 0), 30), np.uint8)
    grey = np.asarray(cv2.cvtColor(blurred, cv2.COLOR_BGR2GRAY), np.uint8)
    assert not bar_places(grey)
    assert list(read_codes([first, blurred, last])) == [Code("EAN13", EAN)]


def test_no_part_of_a_barcode_is_misread() -> None:
    """zxing-cpp reads this one rightly, and wrongly in a shrunk copy, with a good check digit."""
    frames = drawn_symbol("EAN13", "3570832301004", angle=45)
    assert [code.text for code in read_codes(frames)] == ["3570832301004"]


def test_an_item_is_found_by_its_sku_or_its_code(tmp_path: Path) -> None:
    written = [
        Item("soap", "Soap", attributes={"code": "4006381333931 73513537"}),
        Item("036000291452", "Tissues"),
        Item("plain", "Plain"),
    ]
    items = written_items(tmp_path, written)
    found = [items.with_code(spellings(text)) for text in ("73513537", "0036000291452", "1")]
    assert [None if item is None else item.title for item in found] == ["Soap", "Tissues", None]
    items.close()


@pytest.mark.parametrize("name", ["GTIN", "barcode", "ean", "upc", "g:gtin", "Variant Barcode"])
def test_the_usual_columns_hold_codes(tmp_path: Path, name: str) -> None:
    written = [Item("soap", "Soap", attributes={name: "4 006381 333931"}), Item("bread", "Bread")]
    items = written_items(tmp_path, written)
    found = items.with_code(Code("EAN13", EAN).spellings)
    assert found is not None
    assert found.sku == "soap"
    assert items.may_have_codes
    items.close()


@pytest.mark.parametrize(
    ("sku", "may"), [("red-mug", False), ("Mug 2, red", False), ("MUG/2", True), (EAN, True)]
)
def test_a_sku_with_a_digit_and_no_space_may_stand_in_a_code(
    tmp_path: Path, sku: str, may: bool
) -> None:
    items = written_items(tmp_path, [Item(sku, "Mug", attributes={"colour": "red 7"})])
    assert items.may_have_codes is may
    items.close()


def test_a_thing_at_rest_is_named_by_its_code(small_bundle: Path, play: Play) -> None:
    bundle = Bundle.open(small_bundle)
    sku = bundle.items.skus[-1]
    package_shown = shown(play, "qr", sku)
    first, *refined = answers(bundle, play, package_shown)
    assert first.code == ""
    assert first.timings.code == 0
    assert [observation.decision.verdict for observation in refined] == [Verdict.MATCH]
    assert refined[0].code == sku
    assert refined[0].decision.matches[0].sku == sku
    assert refined[0].decision.matches[0].similarity == 1
    assert refined[0].timings.code > 0
    assert refined[0].timings.embed == 0
    assert refined[0].answer_timings.embed == first.timings.embed
    searched = Recognizer(bundle).search(play.sensed(package_shown, 3), None)
    assert searched.code == sku


def test_a_product_number_that_no_item_has_is_said(small_bundle: Path, play: Play) -> None:
    bundle = Bundle.open(small_bundle)
    package_shown = shown(play, "ean13", EAN)
    first, refined = answers(bundle, play, package_shown)
    assert first.unknown_gtin == ""
    assert (refined.unknown_gtin, refined.code) == (EAN, "")
    assert refined.decision.subject == first.decision.subject
    searched = Recognizer(bundle).search(play.sensed(package_shown, 3), None)
    assert searched.unknown_gtin == EAN
    assert searched.timings.code > 0


def test_where_no_item_can_have_a_code_none_is_read(
    small_bundle: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(small_bundle)
    assert bundle.items.may_have_codes
    bundle.items.may_have_codes = False
    monkeypatch.setattr(picture_search, "read_codes", None)
    package_shown = shown(play, "ean13", EAN)
    assert [observation.timings.code for observation in answers(bundle, play, package_shown)] == [0]
    assert Recognizer(bundle).search(package_shown, None).unknown_gtin == ""


def test_where_a_code_names_no_item_the_picture_decides(small_bundle: Path, play: Play) -> None:
    seen = Recognizer(Bundle.open(small_bundle)).search(shown(play, "qr", "nobody"), None)
    assert seen.code == ""
    assert seen.found


def test_drawn_codes_keep_their_quiet_zone() -> None:
    for kind in ("qr", "ean13", "upca", "ean8"):
        picture = drawn_code(kind, random_text(np.random.default_rng(1), kind))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        assert grey[:, :16].min() == grey[:, -16:].min() == 255
