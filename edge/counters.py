"""What the appliance counts, for its status, for Prometheus and for the heartbeat."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.recognition.decision import Verdict
from edge.sighting import Timings
from sync.outbox.outbox import Counters


@dataclass(frozen=True)
class Figures:
    """Counts since the process started.

    Attributes:
        frames: Camera frames.
        looks: Frames that were searched, or would have been if the scene had changed.
        sightings: Changed verdicts, by verdict.
        stage_ms: Milliseconds that the looks took together, by stage.
        outbox: What waits to be reported; None where nothing is.
        outbox_trouble: Why that cannot be told; empty for nothing.
    """

    frames: int = 0
    looks: int = 0
    sightings: Mapping[str, int] = field(default_factory=dict)
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    outbox: Counters | None = None
    outbox_trouble: str = ""


class Tally:
    """Counts what the loop does; read by other threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames = 0
        self._looks = 0
        self._sightings: Counter[str] = Counter({str(verdict): 0 for verdict in Verdict})
        self._stage_ms = dict.fromkeys(vars(Timings()), 0.0)

    def frame(self) -> None:
        """Count a frame."""
        self._frames += 1

    def look(self, timings: Timings) -> None:
        """Count a look and what it took."""
        with self._lock:
            self._looks += 1
            for stage, ms in vars(timings).items():
                self._stage_ms[stage] += ms

    def sighting(self, verdict: Verdict, show_ms: float) -> None:
        """Count a sighting and what it took to show it."""
        with self._lock:
            self._sightings[str(verdict)] += 1
            self._stage_ms["show"] += show_ms

    def figures(self, outbox: Counters | None = None, trouble: str = "") -> Figures:
        """All counts now."""
        with self._lock:
            sightings, stage_ms = dict(self._sightings), dict(self._stage_ms)
            return Figures(self._frames, self._looks, sightings, stage_ms, outbox, trouble)
