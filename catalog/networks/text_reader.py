"""Read the words in a picture with RapidOCR, the extra `text`.

Its networks are in its wheel. They are named by their paths, because RapidOCR would otherwise
check their digests and fetch them again where these differ.
"""

from __future__ import annotations

import importlib.util
import threading
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from catalog.core.errors import MissingExtraError
from catalog.core.photos import Picture

VERSION = 1  # raise it when other words are read from the same pixels; photos are then read anew
DETECTOR = "PP-OCRv6_det_small.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"  # of lines that stand upside down
RECOGNIZER = "PP-OCRv6_rec_small.onnx"
SIDE = 448  # pixels, longer side, at which lines are looked for; smaller pictures are enlarged
LONGEST_SIDE = 1400  # pixels; larger pictures are shrunk
LEAST_SCORE = 0.6  # of a line that is believed
MOST_LINES = 40
LONGEST_LINE = 200  # characters


class Reader(Protocol):
    """Reads the lines of text in a picture."""

    def read(self, picture: Picture) -> tuple[str, ...]:
        """Return the lines in a picture, BGR uint8 (h, w, 3)."""


class TextReader:
    """Reads text with RapidOCR on one thread; threads may share it.

    Raises:
        MissingExtraError: The extra `text` is not installed.
    """

    def __init__(self) -> None:
        if not is_installed():
            raise MissingExtraError("reading what is printed on things", "text")
        self._lock = threading.Lock()

    def read(self, picture: Picture) -> tuple[str, ...]:
        """Return the lines in a picture, BGR uint8 (h, w, 3), from top to bottom."""
        height, width = picture.shape[:2]
        longer = max(height, width)
        scale = min(max(longer, SIDE), LONGEST_SIDE) / longer
        if scale != 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
            picture = np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)
        with self._lock:
            found = self._networks(picture)
        lines = zip(found.txts or (), found.scores or (), strict=True)
        believed = [line[:LONGEST_LINE] for line, score in lines if score >= LEAST_SCORE]
        return tuple(believed[:MOST_LINES])

    @cached_property
    def _networks(self) -> Any:
        """RapidOCR, opened when it is first needed: that takes memory and time."""
        # Before RapidOCR imports it: it decides at its import whether it reports to its maker.
        import rapidocr

        import catalog.networks.engines.onnxruntime  # noqa: F401

        models = Path(rapidocr.__file__).parent / "models"
        return rapidocr.RapidOCR(
            params={
                "Det.model_path": str(models / DETECTOR),
                "Cls.model_path": str(models / CLASSIFIER),
                "Rec.model_path": str(models / RECOGNIZER),
                "Det.limit_side_len": SIDE,
                "Det.limit_type": "max",
                "Rec.rec_batch_num": 1,  # more lines at a time take more memory
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "Global.log_level": "critical",
            }
        )


def is_installed() -> bool:
    """Return whether the extra `text` is installed."""
    needed = ("rapidocr", "onnxruntime")
    return all(importlib.util.find_spec(name) is not None for name in needed)


def open_reader() -> TextReader | None:
    """Return a reader; None where the extra `text` is not installed."""
    return TextReader() if is_installed() else None
