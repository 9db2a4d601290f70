"""Read the words in a picture with RapidOCR, the extra `text`.

Its networks are in its wheel. They are named by their paths, because RapidOCR would otherwise
check their digests and fetch them again where these differ.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.core.errors import MissingExtraError
from catalog.core.photos import Picture
from catalog.core.read_line import ReadLine

VERSION = 3  # raise it when other words are read from the same pixels; photos are then read anew
DETECTOR = "PP-OCRv6_det_small.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"  # of lines that stand upside down
RECOGNIZER = "PP-OCRv6_rec_small.onnx"
SIDE = 448  # pixels, longer side, at which lines are looked for; smaller pictures are enlarged
CATALOGUE_SIDES = (SIDE, 640)  # of catalogue photos: a word misread at one is right at the other
LONGEST_SIDE = 1400  # pixels; larger pictures are shrunk
LEAST_SCORE = 0.6  # of a line that is believed
MOST_LINES = 24  # that are read of a picture, the largest: each takes 30 ms of the processor
LONGEST_LINE = 200  # characters


class Reader(Protocol):
    """Reads the lines of text in a picture."""

    def read(self, picture: Picture) -> tuple[str, ...]:
        """Return the lines in a picture, BGR uint8 (h, w, 3); a `ReadLine` says how surely."""


class TextReader:
    """Reads text with RapidOCR on one thread; threads may share it.

    Args:
        sides: Pixels, longer side, at which a picture is read; it is enlarged to each of them.
        keep_open: Keep the networks in memory between two pictures, about 50 MB. Otherwise each is
            opened when a picture needs it, and closed before the next one is opened; that takes
            0.15 s more of the processor for each picture.

    Raises:
        MissingExtraError: The extra `text` is not installed.
    """

    def __init__(self, sides: Sequence[int] = (SIDE,), *, keep_open: bool = False) -> None:
        if not is_installed():
            raise MissingExtraError("reading what is printed on things", "text")
        self._sides = tuple(sides)
        self._keep_open = keep_open
        self._lock = threading.Lock()

    def read(self, picture: Picture) -> tuple[ReadLine, ...]:
        """Return the lines in a picture, BGR uint8 (h, w, 3), from top to bottom."""
        longer = max(picture.shape[:2])
        sizes = dict.fromkeys(min(max(longer, side), LONGEST_SIDE) for side in self._sides)
        lines: dict[str, float] = {}
        for size in sizes:
            with self._lock:
                read = self._lines(scaled(picture, size / longer))
            for line, score in read:
                text = line[:LONGEST_LINE]
                if score >= LEAST_SCORE:
                    lines[text] = max(score, lines.get(text, 0.0))
        return tuple(ReadLine(text, score) for text, score in lines.items())

    @property
    def version(self) -> str:
        """How it reads; what another version read may differ."""
        return "-".join(map(str, (VERSION, *self._sides)))

    def _lines(self, picture: Picture) -> list[tuple[str, float]]:
        """Return the largest lines in a picture, and the score of each."""
        ocr = self._ocr
        pixels, record = ocr.preprocess_img(picture)
        try:
            parts, found = ocr.detect_and_crop(pixels, record)
            self._close("text_det")
            turned, _ = ocr.cls_and_rotate(largest_lines(parts, found.boxes))
            self._close("text_cls")
            read = ocr.recognize_txt(turned)
        except _nothing_found():
            return []
        finally:
            self._close("text_det", "text_cls", "text_rec")
        return list(zip(read.txts, read.scores, strict=True))

    def _close(self, *networks: str) -> None:
        """Let go of some of RapidOCR's networks; it opens them again when it needs them."""
        for network in () if self._keep_open else networks:
            setattr(self._ocr, network, None)

    @cached_property
    def _ocr(self) -> Any:
        """RapidOCR without its networks, opened when it is first needed."""
        # Before RapidOCR imports it: it decides at its import whether it reports to its maker.
        import rapidocr

        import catalog.networks.engines.onnxruntime  # noqa: F401

        models = Path(rapidocr.__file__).parent / "models"
        return rapidocr.RapidOCR(
            params={
                "Det.model_path": str(models / DETECTOR),
                "Cls.model_path": str(models / CLASSIFIER),
                "Rec.model_path": str(models / RECOGNIZER),
                "Det.limit_side_len": max(self._sides),
                "Det.limit_type": "max",
                "Rec.rec_batch_num": 1,  # more lines at a time take more memory
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "Global.log_level": "critical",
            }
        )


def scaled(picture: Picture, scale: float) -> Picture:
    """Return a picture with its sides so many times as long."""
    if scale == 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def largest_lines(parts: Sequence[Picture], boxes: NDArray[np.float32]) -> list[Picture]:
    """Return the lines with the largest letters, in their order.

    Args:
        parts: A picture of each line.
        boxes: Their corners, float32 (n, 4, 2), clockwise from the upper left one.
    """
    heights = np.linalg.norm(boxes[:, 0] - boxes[:, 3], axis=1)
    return [parts[number] for number in sorted(np.argsort(-heights, kind="stable")[:MOST_LINES])]


def _nothing_found() -> type[Exception]:
    """Return what RapidOCR raises where it finds nothing."""
    from rapidocr.main import RapidOCRError

    error: type[Exception] = RapidOCRError
    return error


def is_installed() -> bool:
    """Return whether the extra `text` is installed."""
    needed = ("rapidocr", "onnxruntime")
    return all(importlib.util.find_spec(name) is not None for name in needed)


def open_reader(sides: Sequence[int] = (SIDE,), *, keep_open: bool = False) -> TextReader | None:
    """Return a `TextReader`; None where the extra `text` is not installed."""
    return TextReader(sides, keep_open=keep_open) if is_installed() else None
