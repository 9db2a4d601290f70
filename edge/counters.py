"""What the appliance counts, for its status, for Prometheus and for the heartbeat."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from catalog.recognition.decision import Verdict
from edge.sighting import Timings, Word
from sync.outbox.outbox import Counters


@dataclass(frozen=True)
class CounterSnapshot:
    """The counts at one moment, since the process started.

    Attributes:
        frames: Camera frames.
        analysed: Frames that were analysed.
        sightings: Changed verdicts, by verdict.
        judgements: What staff said about sightings, by verdict.
        foreign_share: The share of foreign things that confidence is corrected to.
        stage_ms: Milliseconds that the analyses took together, by stage.
        outbox: The outbox's own counters; None where nothing is reported.
        outbox_trouble: Why the outbox's counters cannot be read; empty where they can.
        outbox_sends: Whether its events are ever sent; else the newest are only kept.
    """

    frames: int = 0
    analysed: int = 0
    sightings: Mapping[str, int] = field(default_factory=dict)
    judgements: Mapping[str, int] = field(default_factory=dict)
    foreign_share: float = 0.0
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    outbox: Counters | None = None
    outbox_trouble: str = ""
    outbox_sends: bool = True


class ApplianceCounters:
    """Counts what the loop does. The loop's thread counts; any thread may take a snapshot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames = 0
        self._analysed = 0
        self._sightings: Counter[str] = Counter({str(verdict): 0 for verdict in Verdict})
        self._judgements = dict.fromkeys(get_args(Word), 0)
        self._stage_ms = dict.fromkeys(vars(Timings()), 0.0)

    def count_frame(self) -> None:
        """Count a camera frame."""
        self._frames += 1

    def count_analysis(self, timings: Timings) -> None:
        """Count an analysed frame and what it took."""
        with self._lock:
            self._analysed += 1
            for stage, ms in vars(timings).items():
                self._stage_ms[stage] += ms

    def count_sighting(self, verdict: Verdict, show_ms: float) -> None:
        """Count a sighting and what it took to show it."""
        with self._lock:
            self._sightings[str(verdict)] += 1
            self._stage_ms["show"] += show_ms

    def count_judgement(self, verdict: Word) -> None:
        """Count what staff said about a sighting."""
        with self._lock:
            self._judgements[verdict] += 1

    def snapshot(
        self, outbox: Counters | None = None, trouble: str = "", *, foreign_share: float = 0.0
    ) -> CounterSnapshot:
        """All counts now, with those of the outbox and the share of foreign things."""
        with self._lock:
            return CounterSnapshot(
                frames=self._frames,
                analysed=self._analysed,
                sightings=dict(self._sightings),
                judgements=dict(self._judgements),
                foreign_share=foreign_share,
                stage_ms=dict(self._stage_ms),
                outbox=outbox,
                outbox_trouble=trouble,
            )
