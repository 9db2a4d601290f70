"""Codes to print on drawn packages: QR by OpenCV, EAN-13, UPC-A and EAN-8 as GS1 draws them."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from catalog.synthetic.meshes import SATIN, box, plain
from catalog.synthetic.render import Cutout, View, render_surfaces
from edge.sighting import Image

CodeKind = Literal["qr", "ean13", "upca", "ean8"]

# GS1 General Specifications, figure 5.2.1.2-1: modules of the left side, odd parity; the even
# ones are their complement mirrored, the right side's their complement.
ODD = (
    *("0001101", "0011001", "0010011", "0111101", "0100011"),
    *("0110001", "0101111", "0111011", "0110111", "0001011"),
)
FIRST = (
    *("OOOOOO", "OOEOEE", "OOEEOE", "OOEEEO", "OEOOEE"),
    *("OEEOOE", "OEEEOO", "OEOEOE", "OEOEEO", "OEEOEO"),
)
DIGITS = {"ean13": 13, "upca": 12, "ean8": 8}
QUIET = 10  # modules beside a barcode
HEIGHT = 0.6  # of a barcode's width


def random_text(random: Generator, kind: CodeKind) -> str:
    """A random text that a code of this kind can hold, with its check digit."""
    if kind == "qr":
        return "sku-" + "".join(str(digit) for digit in random.integers(0, 10, 8))
    digits = [int(digit) for digit in random.integers(0, 10, DIGITS[kind] - 1)]
    digits[0] = max(1, digits[0]) if kind == "ean13" else digits[0]
    total = sum(digit * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return "".join(map(str, [*digits, -total % 10]))


def drawn_code(kind: CodeKind, text: str) -> Image:
    """A code in black on white with its quiet zone, uint8 (h, w, 3)."""
    if kind == "qr":
        modules = np.asarray(cv2.QRCodeEncoder.create().encode(text), np.uint8)
        modules = np.pad(modules, 2, constant_values=255)  # beside the encoder's own two
        picture = cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    row = 255 - 255 * np.array([int(module) for module in _modules(text)], np.uint8)
    row = np.pad(row, QUIET, constant_values=255).repeat(5)
    bars = np.tile(row, (round(len(row) * HEIGHT), 1))
    bars = np.pad(bars, ((20, 20), (0, 0)), constant_values=255)
    return np.repeat(bars[..., None], 3, 2)


def package(
    random: Generator, code: Image, colour: tuple[int, int, int], view: View
) -> tuple[Cutout, NDArray[np.uint8]]:
    """Draw a carton with a code on its front.

    Returns:
        The cutout, and where in it the code is, uint8 (h, w), 255 or 0.
    """
    height, width = code.shape[:2]
    edge = round(0.12 * max(code.shape))
    front = np.full((height + 2 * edge, width + 2 * edge, 3), colour, np.uint8)
    front[edge : edge + height, edge : edge + width] = code
    where = np.zeros_like(front)
    where[edge : edge + height, edge : edge + width] = 255
    long = max(front.shape)
    size = (front.shape[1] / long, front.shape[0] / long, float(random.uniform(0.15, 0.4)))
    side = plain([round(0.9 * channel) for channel in colour])
    dark = plain([0, 0, 0])
    drawn = render_surfaces(box(size, [front, *[side] * 5], SATIN), view)
    mask = render_surfaces(box(size, [where, *[dark] * 5], SATIN), view)
    return drawn, np.asarray((mask[..., :3].max(2) > 90) * np.uint8(255), np.uint8)


def _modules(text: str) -> str:
    """The modules of an EAN-13, UPC-A or EAN-8; "1" is black."""
    if len(text) == 8:
        left, parities, right = text[:4], "OOOO", text[4:]
    else:
        text = text.zfill(13)
        left, parities, right = text[1:7], FIRST[int(text[0])], text[7:]
    codes = [
        ODD[int(digit)] if parity == "O" else _inverse(ODD[int(digit)])[::-1]
        for digit, parity in zip(left, parities, strict=True)
    ]
    others = [_inverse(ODD[int(digit)]) for digit in right]
    return "".join(["101", *codes, "01010", *others, "101"])


def _inverse(modules: str) -> str:
    return modules.translate(str.maketrans("01", "10"))
