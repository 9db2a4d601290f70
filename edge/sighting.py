"""What travels from the camera to the page."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Item
from catalog.recognition.decision import Verdict

Image = NDArray[np.uint8]  # (height, width, 3), BGR


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the frame it was found in."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """One camera frame: BGR uint8, Unix time of capture, running number."""

    image: Image
    at: float
    sequence: int
    capture_ms: float = 0.0


@dataclass(frozen=True)
class Look:
    """The part of a frame that is searched; sharpness is the Laplacian's variance."""

    image: Image
    box: Box
    sharpness: float


@dataclass(frozen=True)
class Timings:
    """Milliseconds spent in each stage of one sighting.

    `search` is of catalogues without print; with it, `verify` is what reading the print of a
    thing at rest, searching by both and weighing all evidence took.
    """

    capture: float = 0.0
    look: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    show: float = 0.0
    verify: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """An item that may be the thing: its best photo's number, cosine similarity, confidence.

    `confidence` is the probability that it is this item.
    """

    item: Item
    photo: int
    similarity: float
    confidence: float = 0.0


@dataclass(frozen=True)
class Sighting:
    """A verdict about what is before the camera, held from `at` until `seen_until`.

    Times are Unix seconds; `matches` are best first and empty for unknown and nothing;
    `look_jpeg` is the crop that was searched (empty when nothing was). `things` is how many lie
    there: what is said is of the largest. `code` is what the code says that named the item,
    empty where it was recognized by its looks.
    """

    id: str
    sequence: int
    at: float
    seen_until: float
    verdict: Verdict
    matches: tuple[Candidate, ...]
    bundle: str
    timings: Timings = field(default_factory=Timings)
    look_jpeg: bytes = b""
    things: int = 1
    code: str = ""
