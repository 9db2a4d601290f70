"""QR codes and product barcodes on a thing at rest, read by OpenCV.

A QR code corrects its errors and is believed at once. A product barcode has a single check
digit: it is believed only when two frames agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.sighting import Image

PRODUCT = {"EAN_13": 13, "UPC_A": 12, "EAN_8": 8}  # OpenCV's names, and their digits
SCALES = (2.0, 1.0, 0.5)  # doubled frames are read best; large codes are missed unless shrunk
LONGEST_SIDE = 1400  # pixels; what is larger is not doubled
LONGEST_TEXT = 200  # characters


@dataclass(frozen=True)
class Code:
    """What a code says; `kind` is "qr", or that of a product barcode as OpenCV names it."""

    kind: str
    text: str


class CodeReader:
    """Reads codes. Not for use by two threads at once."""

    def __init__(self) -> None:
        self._qr = cv2.QRCodeDetector()
        self._bars = cv2.barcode.BarcodeDetector()

    def read(self, frames: Iterable[Image], known: Callable[[Code], bool]) -> Code | None:
        """The code that these pictures (h, w, 3) of one thing show, the newest last.

        None where there is none that is `known`, or where product barcodes do not agree. A
        package's code that leads to a web page is not in its barcode's way.
        """
        seen: list[Code] = []
        for number, frame in enumerate(reversed(list(frames))):
            for code in self._codes(frame):
                if not known(code):
                    continue
                if code.kind == "qr" or code in seen:
                    return code
                seen.append(code)
                break
            if number and not seen:
                return None  # two frames without any
        return None

    def _codes(self, frame: Image) -> Iterator[Code]:
        """What each way of looking at a frame finds."""
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for scale in SCALES:
            if scale > 1 and max(grey.shape) * scale > LONGEST_SIDE:
                continue
            size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
            way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            picture = grey if scale == 1 else cv2.resize(grey, size, interpolation=way)
            qr_code = self._qr_code(picture) if scale >= 1 else None
            yield from (code for code in (qr_code, self._barcode(picture)) if code is not None)

    def _qr_code(self, picture: cv2.typing.MatLike) -> Code | None:
        try:
            text, _, _ = self._qr.detectAndDecode(picture)
        except (cv2.error, UnicodeDecodeError):  # what looked like a code was none
            return None
        text = text.strip()
        return Code("qr", text) if 0 < len(text) <= LONGEST_TEXT and text.isprintable() else None

    def _barcode(self, picture: cv2.typing.MatLike) -> Code | None:
        try:
            _, texts, kinds, _ = self._bars.detectAndDecodeWithType(picture)
        except cv2.error:
            return None
        for text, kind in zip(texts, kinds, strict=True):
            if len(text) == PRODUCT.get(kind) and has_check_digit(text):
                return Code(kind, text)
        return None


def has_check_digit(text: str) -> bool:
    """Whether the last digit of an EAN or UPC is right (GS1 General Specifications, 7.9)."""
    if not (text.isascii() and text.isdigit()):
        return False
    digits = np.array([int(one) for one in reversed(text)])
    return bool((digits[::2].sum() + 3 * digits[1::2].sum()) % 10 == 0)


def spellings(text: str) -> tuple[str, ...]:
    """How a catalogue may write what a code says: a UPC-A is also an EAN-13 with a 0 before."""
    if not re.fullmatch(r"[0-9]{8,14}", text):
        return (text,)
    bare = text.lstrip("0")
    return tuple(dict.fromkeys([text, *(bare.zfill(digits) for digits in (8, 12, 13, 14, 0))]))
