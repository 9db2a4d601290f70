"""What happened in the shops, as the report tells it. Times of day are in Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["right", "wrong", "unknown", "missed"]


@dataclass(frozen=True)
class Visit:
    """Something was put before a kiosk's camera.

    Attributes:
        kiosk: The kiosk's number, from 0.
        at: When.
        title: What it was.
        sku: The item's; empty for a thing that no catalogue holds.
        known: Whether this kiosk could know it, by its catalogue or because it was taught.
        verdict: The answer: "match", "one_of", "unknown", or "" where none came.
        named: The skus that the answer named, the likeliest first.
        words: The title of the first of them; empty for none.
        seconds: From the moment when the thing rested to the first answer; None without an answer.
        picture: What the camera saw, a JPEG.
    """

    kiosk: int
    at: float
    title: str
    sku: str
    known: bool
    verdict: str
    named: tuple[str, ...]
    words: str
    seconds: float | None
    picture: bytes

    @property
    def outcome(self) -> Outcome:
        """What the answer was worth: "wrong" where another item was named than lay there."""
        if not self.verdict:
            return "missed"
        if self.verdict == "unknown":
            return "unknown"
        return "right" if self.known and self.sku in self.named else "wrong"


@dataclass(frozen=True)
class Kill:
    """A process was killed.

    Attributes:
        kiosk: The kiosk's number.
        at: When.
        part: "edge" or "sync".
        back_s: Seconds until the kiosk answered again; None for "sync", which nobody waits for.
    """

    kiosk: int
    at: float
    part: str
    back_s: float | None


@dataclass(frozen=True)
class Sample:
    """How a kiosk was: how many reports waited, and which catalogue it used."""

    kiosk: int
    at: float
    waiting: int
    bundle: str


@dataclass(frozen=True)
class Note:
    """Something else that happened; `kiosk` is None for the owner."""

    kiosk: int | None
    at: float
    words: str


@dataclass
class Diary:
    """All of it.

    Attributes:
        start, end: Of the simulated time.
        opening: The hours of the day between which the shops are open.
        offline: When the second kiosk had no link.
        lesson: The visits that tell of the thing that was taught; they are among `visits`, too.
        figures: What was measured at the end, by name.
    """

    start: float
    end: float
    opening: tuple[float, float]
    offline: tuple[float, float] = (0.0, 0.0)
    visits: list[Visit] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    lesson: list[Visit] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
