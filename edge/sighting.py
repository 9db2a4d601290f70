"""The types that travel from the camera to the page: frame, crop, sighting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.items import Item
from catalog.core.box import Box
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import Evidence

Image = NDArray[np.uint8]  # (height, width, 3), BGR
Word = Literal["right", "wrong", "item", "foreign"]  # what staff say about a sighting


@dataclass(frozen=True)
class Frame:
    """One camera frame.

    Attributes:
        image: BGR uint8 (h, w, 3).
        at: When it was taken, in Unix seconds.
        sequence: Its running number.
        capture_ms: How long the camera took, in milliseconds.
    """

    image: Image
    at: float
    sequence: int
    capture_ms: float = 0.0


@dataclass(frozen=True)
class Crop:
    """The part of a frame that is searched.

    Attributes:
        image: BGR uint8 (h, w, 3).
        box: Where it lies in the frame.
        sharpness: The variance of its Laplacian.
        cut_out: Whether it shows the thing alone, on a light ground.
    """

    image: Image
    box: Box
    sharpness: float
    cut_out: bool = False


@dataclass(frozen=True)
class Timings:
    """Milliseconds spent in each stage of one sighting, by the API's names of the stages.

    Attributes:
        capture: Taking the frame.
        look: Finding the thing in it.
        embed: Turning its crops into vectors.
        search: Searching a catalogue without local features.
        verify: Searching one with them: reading the crop's local features, searching by these
            and by vector, and weighing all evidence.
        code: Reading its QR codes and barcodes.
        text: Reading the words on it, on a thread of its own.
        show: Making the sighting.
    """

    capture: float = 0.0
    look: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    show: float = 0.0
    verify: float = 0.0
    code: float = 0.0
    text: float = 0.0

    def __add__(self, other: Timings) -> Timings:
        return Timings(**{stage: ms + vars(other)[stage] for stage, ms in vars(self).items()})


@dataclass(frozen=True)
class Candidate:
    """An item that the thing may be.

    Attributes:
        item: The item.
        photo: The number of its most similar photo; None where it has none.
        similarity: The cosine similarity to that photo.
        confidence: The probability that the thing is this item.
    """

    item: Item
    photo: int | None
    similarity: float
    confidence: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a thing lies in a frame, as shares of the frame's width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class ThingBeside:
    """A thing that lies before the camera, beside the one that a sighting is about.

    Attributes:
        place: Where it lies; None where that is not known.
        sighting: The id of its own sighting; empty as long as it is looked at.
        verdict: The verdict about it; None as long as it is looked at.
        matches: The items that it is said to be, as in `Sighting`.
        guesses: The items that it perhaps is, as in `Sighting`.
    """

    place: Place | None
    sighting: str = ""
    verdict: Verdict | None = None
    matches: tuple[Candidate, ...] = ()
    guesses: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Sighting:
    """What the device says about what is before the camera.

    Attributes:
        id: A unique id.
        sequence: Its running number; 0 for a visitor's search.
        at: Since when, in Unix seconds.
        seen_until: Until when it was seen, in Unix seconds.
        verdict: The verdict.
        matches: The items that it names, best first; none where nothing is claimed.
        bundle: The id of the bundle that was searched.
        timings: What each stage took.
        crop_jpeg: The crop that was searched; empty where none was.
        place: Where the thing lies; None where that is not known.
        others: The other things that lie there; the verdict is about the one that came last.
        code: The text of the code that named the item; empty where no code did.
        unknown_gtin: The product number that was read and that no item has; empty where there
            is none.
        guesses: The items that it perhaps is, best first; only where the verdict is PERHAPS.
        text: The lines that were read on the thing; empty where nobody asked to report them.
        evidence: What its looks say about the thing being in the catalogue; None where a code
            named it, or nothing was compared.
        box: The part of a visitor's photo that was searched; None for a camera's picture.
        boxes: The things that were found in a visitor's photo, the one that it is about first.
    """

    id: str
    sequence: int
    at: float
    seen_until: float
    verdict: Verdict
    matches: tuple[Candidate, ...]
    bundle: str
    timings: Timings = field(default_factory=Timings)
    crop_jpeg: bytes = b""
    place: Place | None = None
    others: tuple[ThingBeside, ...] = ()
    code: str = ""
    unknown_gtin: str = ""
    guesses: tuple[Candidate, ...] = ()
    text: tuple[str, ...] = ()
    evidence: Evidence | None = None
    box: Box | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Said:
    """What staff said about a sighting that may be gone; the fields are those of `Judgement`."""

    verdict: Word
    sku: str = ""


@dataclass(frozen=True)
class Judgement:
    """What staff says about a sighting.

    Attributes:
        sighting: The sighting.
        verdict: "right", "wrong", "item" where they say which item it was, or "foreign" where they
            say that it is none of the catalogue.
        sku: That item's stock keeping unit; empty for the others.
        knows_shown: Whether the sighting has all items that were shown. Of one that the history
            alone keeps, it has the first.
    """

    sighting: Sighting
    verdict: Word
    sku: str = ""
    knows_shown: bool = True

    @property
    def named(self) -> str:
        """The item that the thing is for sure; empty where that was not said."""
        if self.verdict == "item":
            return self.sku
        right = self.verdict == "right" and self.sighting.verdict is Verdict.MATCH
        return self.sighting.matches[0].item.sku if right else ""

    @property
    def in_catalogue(self) -> bool | None:
        """Whether the thing is in the catalogue; None where only the items shown are ruled out.

        "I don't know this one" is right about a foreign thing, and wrong about an own one.
        """
        if self.verdict in ("item", "foreign"):
            return self.verdict == "item"
        if self.sighting.verdict is Verdict.UNKNOWN:
            return self.verdict == "wrong"
        return True if self.verdict == "right" else None
