"""Read the codes on a thing: matrix codes and barcodes, with zxing-cpp.

A matrix code corrects its own errors, so one look at it is enough. A barcode has one check digit
or none, so two looks must read the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import cv2
import numpy as np
import zxingcpp

from edge.sighting import Image
from edge.vision.bars import Place, averaged_bars, bar_places, upright

MATRIX = "QRCode,MicroQRCode,DataMatrix,Aztec"
DATABAR = "DataBar,DataBarExpanded"
STACKED = f"{DATABAR},PDF417"  # whose rows differ
LINEAR = f"EAN13,EAN8,UPCA,UPCE,Code128,Code93,{DATABAR},Code39,ITF,Codabar"
LONGEST_SIDE = 1400  # pixels; larger pictures are shrunk
ENLARGEMENT = 1.5  # of the second look at matrix codes: small ones, and some turned ones, need it
LONGEST_ENLARGED = 640  # pixels; larger pictures are looked at as they are
EMPTY_FRAMES = 2  # without a code, after which no more are looked at
LONGEST_TEXT = 200  # characters
UNCHECKED = ("Code39", "ITF", "Codabar")  # barcodes without a check digit
LEAST_UNCHECKED = 3  # characters; shorter ones are easily seen where there are none
PRODUCT_NUMBERS = ("EAN13", "EAN8", "UPCA", "UPCE")
ALSO_GTINS = ("ITF", "DataBar")  # where they are 14 digits long
ELEMENT_KINDS = ("QRCode", "DataMatrix", "Code128")  # in which GS1 writes element strings
GTIN_DIGITS = (8, 12, 13, 14)
_ELEMENT = re.compile(r"\(01\)([0-9]{14})(?![0-9])")  # of a GS1 element string
# The same as it comes out of other programs: a symbology identifier, 01, the number, what follows.
_PLAIN_ELEMENT = re.compile(
    r"(?:\][CdeJQ][0-9])?01([0-9]{14})(?=$|<GS>|1[0-7]|2[0-2]|3[0-9]|9[0-9])"
)
_BARE_ELEMENT = re.compile(r"01[0-9]{14}")  # may also be a serial number
_DIGITAL_LINK = re.compile(r"/(?:01|gtin)/([0-9]{8,14})(?=/|$)")  # of a web address's path


@dataclass(frozen=True)
class Code:
    """A code that was read.

    Attributes:
        kind: zxing-cpp's name of its symbology.
        text: What it says; element strings of GS1 with their identifiers in brackets.
    """

    kind: str
    text: str

    @property
    def gtin(self) -> str:
        """The product number that the code holds, without needless zeros; empty where it has none.

        It has 8, 12, 13 or 14 digits.
        """
        number = ""
        if self.kind in PRODUCT_NUMBERS or (self.kind in ALSO_GTINS and len(self.text) == 14):
            number = self.text
        elif found := _ELEMENT.search(self.text) or self._plain_element():
            number = found[1]
        elif self.text.lower().startswith(("http://", "https://")):
            found = _DIGITAL_LINK.search(_path(self.text))
            number = found[1] if found else ""
        return _shortest(number) if has_check_digit(number) else ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The ways to write the code in a catalogue: as it is, and as its product number."""
        numbers = spellings(self.gtin) if self.gtin else ()
        return tuple(dict.fromkeys((*spellings(self.text), *numbers)))

    def _plain_element(self) -> re.Match[str] | None:
        if self.kind not in ELEMENT_KINDS and _BARE_ELEMENT.fullmatch(self.text):
            return None
        return _PLAIN_ELEMENT.match(self.text)


def read_codes(frames: Iterable[Image]) -> Iterator[Code]:
    """Read the codes on a thing, each once, as soon as it can be believed.

    Args:
        frames: Pictures (h, w, 3) of one thing, BGR uint8, the newest last.
    """
    seen: set[Code] = set()  # barcodes at which there was one look
    believed: set[Code] = set()
    where: list[Place] = []  # of these barcodes, where the thing did not move
    shape: tuple[int, ...] = ()
    may_have_bars = True
    for number, frame in enumerate(reversed(list(frames)), 1):
        grey = _grey(frame)
        if not (seen or believed):
            for code in _read(grey, MATRIX) if number == 1 else _read_enlarged(grey, MATRIX):
                believed.add(code)
                yield code
        linear = _read_places(grey, where) if grey.shape == shape else {}
        places = where if linear else bar_places(grey) if may_have_bars or seen else []
        linear = linear or _read_places(grey, places)
        where, shape, may_have_bars = list(linear.values()), grey.shape, bool(places)
        if places and not linear and (number == 1 or seen):
            whole = _read(upright(grey, places[0]), STACKED, rotate=False)
            linear = dict.fromkeys(whole, places[0])
        for code in sorted(linear.keys() - believed, key=lambda code: code.kind):
            if code in seen or code.kind == "PDF417":
                believed.add(code)
                yield code
        seen |= linear.keys()
        if not seen and (number >= EMPTY_FRAMES or (believed and not places)):
            return


def matrix_texts(picture: Image) -> list[str]:
    """What the matrix codes in a picture (h, w, 3), BGR uint8, say, whatever that is."""
    found = zxingcpp.read_barcodes(_grey(picture), formats=_formats(MATRIX))
    return [result.text for result in found]


def _read_places(grey: Image, places: Iterable[Place]) -> dict[Code, Place]:
    """Read the barcodes at some places of a picture, uint8 (h, w); each code with its place."""
    return {
        code: place
        for place in places
        # Shrunk, some barcodes were misread, with a check digit that was right by chance.
        for code in _read(averaged_bars(grey, place), LINEAR, rotate=False, shrink=False)
    }


def two_looks(picture: Image) -> list[Image]:
    """A single picture (h, w, 3), and a smaller copy of it, whose pixels lie elsewhere."""
    smaller = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    return [np.asarray(smaller, np.uint8), picture] if min(picture.shape[:2]) > 1 else [picture]


def _read(
    grey: Image, formats: str, *, rotate: bool = True, shrink: bool = True, invert: bool = True
) -> list[Code]:
    """Read a picture, uint8 (h, w), and copies of it that zxing-cpp rotates, shrinks, inverts."""
    found = zxingcpp.read_barcodes(
        grey,
        formats=_formats(formats),
        try_rotate=rotate,
        try_downscale=shrink,
        try_invert=invert,
    )
    codes = (Code(result.format.name, result.text.strip()) for result in found)
    return list(dict.fromkeys(filter(_is_sound, map(_without_frame, codes))))


@cache
def _formats(names: str) -> zxingcpp.BarcodeFormats:
    return zxingcpp.barcode_formats_from_str(names)


def _is_sound(code: Code) -> bool:
    least = LEAST_UNCHECKED if code.kind in UNCHECKED else 1
    if not (least <= len(code.text) <= LONGEST_TEXT and code.text.isprintable()):
        return False
    # zxing-cpp 2 does not write a UPC-E out as the UPC-A that it stands for.
    return code.kind not in PRODUCT_NUMBERS or (
        has_check_digit(code.text) and not (code.kind == "UPCE" and len(code.text) == 8)
    )


def _without_frame(code: Code) -> Code:
    """A Codabar without the letters that begin and end it, as catalogues write it."""
    return Code(code.kind, code.text.strip("ABCDabcd")) if code.kind == "Codabar" else code


def _grey(frame: Image) -> Image:
    """A picture without colours, shrunk where it is large."""
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    scale = LONGEST_SIDE / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _read_enlarged(grey: Image, formats: str) -> list[Code]:
    scale = min(ENLARGEMENT, LONGEST_ENLARGED / max(grey.shape))
    if scale > 1:
        larger = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        grey = np.asarray(larger, np.uint8)
    return _read(grey, formats, shrink=False, invert=False)


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""


def has_check_digit(text: str) -> bool:
    """Whether the last digit of a product number is right (GS1 General Specifications, 7.9)."""
    if not (text.isascii() and text.isdigit()):
        return False
    digits = [int(digit) for digit in reversed(text)]
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0


def spellings(text: str) -> tuple[str, ...]:
    """The ways to write a text in a catalogue: GTINs of 8, 12, 13 and 14 digits are one number.

    The text itself comes first; a text that is no product number has only that spelling.
    """
    if not re.fullmatch(r"[0-9]{8,14}", text):
        return (text,)
    stripped = text.lstrip("0")
    return tuple(dict.fromkeys([text, *(stripped.zfill(digits) for digits in (*GTIN_DIGITS, 0))]))


def _shortest(number: str) -> str:
    stripped = number.lstrip("0")
    return stripped.zfill(next(digits for digits in GTIN_DIGITS if digits >= len(stripped)))
