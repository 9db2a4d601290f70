"""Draw two small charts of an evaluation with OpenCV, so that no plotting package is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.evaluation.evaluate import PhotoAnswer
from catalog.evaluation.metrics import reliability

SIDE, MARGIN = 480, 64  # pixels
INK, GREY, BLUE, RED = (40, 40, 40), (200, 200, 200), (160, 90, 30), (60, 60, 200)  # BGR

Canvas = NDArray[np.uint8]


def draw_reliability(answers: Sequence[PhotoAnswer], path: Path) -> None:
    """Draw how often the first item was right at each of 15 levels of confidence."""
    confidences = np.array([answer.confidence for answer in answers])
    right = np.array([answer.right for answer in answers])
    canvas = _axes("how sure", "right first")
    cv2.line(canvas, _at(0, 0), _at(1, 1), GREY, 1, cv2.LINE_AA)
    for confidence, accuracy, share in reliability(confidences, right):
        radius = max(3, round(60 * share**0.5))
        cv2.circle(canvas, _at(confidence, accuracy), radius, BLUE, 2, cv2.LINE_AA)
    _write(canvas, path)


def draw_trade_off(answers: Sequence[PhotoAnswer], threshold: float, path: Path) -> None:
    """Draw what each rejection threshold would do; a red point marks `threshold`.

    The curve shows the share of things in the catalogue that are named rightly against the
    share of other things that are named.
    """
    right = np.array([answer.confidence for answer in answers if answer.right])
    foreign = np.array([answer.confidence for answer in answers if answer.sku is None])
    known = max(1, sum(answer.sku is not None for answer in answers))
    canvas = _axes("foreign named", "known named rightly")

    def point(least: float) -> tuple[int, int]:
        named = (foreign >= least).mean() if len(foreign) else 0.0
        return _at(float(named), float((right >= least).sum() / known))

    steps = np.linspace(0, 1, 201)
    curve = np.array([point(float(least)) for least in steps], np.int32)
    cv2.polylines(canvas, [curve], isClosed=False, color=BLUE, thickness=2, lineType=cv2.LINE_AA)
    cv2.circle(canvas, point(threshold), 6, RED, -1, cv2.LINE_AA)
    _write(canvas, path)


def _axes(across: str, up: str) -> Canvas:
    canvas = np.full((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN, 3), 255, np.uint8)
    for tenth in range(0, 11, 2):
        part = tenth / 10
        cv2.line(canvas, _at(part, 0), _at(part, 1), GREY, 1)
        cv2.line(canvas, _at(0, part), _at(1, part), GREY, 1)
        x, y = _at(part, 0)
        _text(canvas, f"{tenth * 10}%", (x - 14, y + 20))
        x, y = _at(0, part)
        _text(canvas, f"{tenth * 10}%", (x - 46, y + 5))
    cv2.rectangle(canvas, _at(0, 1), _at(1, 0), INK, 1)
    _text(canvas, across, (MARGIN + SIDE // 2 - 50, SIDE + 2 * MARGIN - 14), 0.55)
    _text(canvas, up, (MARGIN, MARGIN - 18), 0.55)
    return canvas


def _at(x: float, y: float) -> tuple[int, int]:
    return MARGIN + round(x * SIDE), MARGIN + round((1 - y) * SIDE)


def _text(canvas: Canvas, words: str, at: tuple[int, int], size: float = 0.42) -> None:
    cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)


def _write(canvas: Canvas, path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", canvas)[1].tobytes())
