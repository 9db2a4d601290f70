"""Read QR codes and product barcodes on a thing at rest, with OpenCV.

A QR code corrects its own errors, so one reading of it is enough. A product barcode has a
single check digit, so two frames must give the same reading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.sighting import Image

PRODUCT_DIGITS = {"EAN_13": 13, "UPC_A": 12, "EAN_8": 8}  # by OpenCV's names of the kinds
SCALES = (2.0, 1.0, 0.5)  # most codes are read best at twice the size, large ones at half of it
LONGEST_SIDE = 1400  # pixels; a frame is not enlarged beyond it
LONGEST_TEXT = 200  # characters


@dataclass(frozen=True)
class Code:
    """The text of a code; `kind` is "qr", or OpenCV's name for the kind of product barcode."""

    kind: str
    text: str


class CodeReader:
    """Reads codes. One thread at a time may use it."""

    def __init__(self) -> None:
        self._qr = cv2.QRCodeDetector()
        self._barcodes = cv2.barcode.BarcodeDetector()

    def read(self, frames: Iterable[Image], known: Callable[[Code], bool]) -> Code | None:
        """Read the code on a thing.

        Args:
            frames: Pictures (h, w, 3) of one thing, the newest last.
            known: Says whether the catalogue knows a code. Others are passed over: a package
                may carry a QR code that leads to a web page beside its barcode.

        Returns:
            The code; None where there is no known one, or where barcodes do not agree.
        """
        barcodes: list[Code] = []
        for number, frame in enumerate(reversed(list(frames))):
            for code in self._codes(frame):
                if not known(code):
                    continue
                if code.kind == "qr" or code in barcodes:
                    return code
                barcodes.append(code)
                break
            if number and not barcodes:
                return None  # neither of two frames has one
        return None

    def _codes(self, frame: Image) -> Iterator[Code]:
        """The codes that are found in a frame at each scale."""
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for scale in SCALES:
            if scale > 1 and max(grey.shape) * scale > LONGEST_SIDE:
                continue
            size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
            interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            picture = grey if scale == 1 else cv2.resize(grey, size, interpolation=interpolation)
            qr_code = self._qr_code(picture) if scale >= 1 else None
            yield from (code for code in (qr_code, self._barcode(picture)) if code is not None)

    def _qr_code(self, picture: cv2.typing.MatLike) -> Code | None:
        try:
            text, _, _ = self._qr.detectAndDecode(picture)
        except (cv2.error, UnicodeDecodeError):  # it only looked like a code
            return None
        text = text.strip()
        return Code("qr", text) if 0 < len(text) <= LONGEST_TEXT and text.isprintable() else None

    def _barcode(self, picture: cv2.typing.MatLike) -> Code | None:
        try:
            _, texts, kinds, _ = self._barcodes.detectAndDecodeWithType(picture)
        except cv2.error:
            return None
        for text, kind in zip(texts, kinds, strict=True):
            if len(text) == PRODUCT_DIGITS.get(kind) and has_check_digit(text):
                return Code(kind, text)
        return None


def has_check_digit(text: str) -> bool:
    """Whether the last digit of an EAN or UPC is right (GS1 General Specifications, 7.9)."""
    if not (text.isascii() and text.isdigit()):
        return False
    digits = np.array([int(digit) for digit in reversed(text)])
    return bool((digits[::2].sum() + 3 * digits[1::2].sum()) % 10 == 0)


def spellings(text: str) -> tuple[str, ...]:
    """The ways to write a code in a catalogue: a UPC-A is also an EAN-13 that begins with 0.

    The text itself comes first; a text that is no product number has only that spelling.
    """
    if not re.fullmatch(r"[0-9]{8,14}", text):
        return (text,)
    stripped = text.lstrip("0")
    return tuple(dict.fromkeys([text, *(stripped.zfill(digits) for digits in (8, 12, 13, 14, 0))]))
