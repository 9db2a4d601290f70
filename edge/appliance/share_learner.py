"""Learn, from the looks that a device sees, how often it is shown a foreign thing.

What was seen is kept in ``foreign-share.json`` in the state folder: for each catalogue how many
looks had which evidence, no picture and no item. Staff say of some what they were; a visitor who
chooses one of the items that are shown says it for half a look.

A thread of its own writes the file, because the loop that watches the camera never waits for a
disk. Where the file is gone, another process has forgotten it, and the device begins anew.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.bundles.bundle import Bundle
from catalog.core import durable
from catalog.recognition.decision import Verdict
from catalog.recognition.foreign_share import Numbers, estimate
from edge.appliance.counted_looks import (
    FOREIGN,
    MOST_CATALOGUES,
    MOST_LOOKS,
    OWN,
    RATIOS,
    CountedLooks,
)
from edge.sighting import Judgement, Sighting

FILE = "foreign-share.json"
CHECK_S = 2.0  # between two looks at the file
SAVE_S = 300.0  # between two times that it is written, unless staff said something

Count = Annotated[float, Field(ge=0, le=10 * MOST_LOOKS)]

log = logging.getLogger(__name__)


class _File(BaseModel):
    """For each catalogue the looks with each of `RATIOS`, then those known as own, as foreign."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    catalogues: dict[
        str, Annotated[list[Count], Field(min_length=FOREIGN + 1, max_length=FOREIGN + 1)]
    ] = Field(default={}, max_length=MOST_CATALOGUES)


@dataclass(frozen=True)
class LearnedShare:
    """What is known of the share of foreign things.

    Attributes:
        setting: The share that the settings say.
        estimate: The share that confidence is corrected to.
        looks: How many looks it rests on; old ones count less.
        judged: Of how many of them staff said what it was; a visitor's choice is half of one.
    """

    setting: float
    estimate: float
    looks: float
    judged: float


class ShareLearner:
    """Counts looks and estimates the share. Any thread may use it.

    Args:
        folder: The state folder; None to keep nothing.
        setting: ``[edge] foreign_share``, where the estimate begins.
    """

    def __init__(self, folder: Path | None, setting: float) -> None:
        self._path = folder / FILE if folder is not None else None
        self._setting = setting
        self._lock = threading.Lock()
        self._looks = CountedLooks(self._read())
        self._catalogue = ""
        self._share = setting
        self._saved, self._changed, self._urgent = self._exists(), False, False
        self._saved_at = float("-inf")  # monotonic seconds

    @property
    def share(self) -> float:
        """The share of foreign things, as far as it is known."""
        return self._share

    def use(self, catalogue: str) -> None:
        """Go on with what was learned with a catalogue.

        Args:
            catalogue: Its `lineage`; empty where none is open.
        """
        with self._lock:
            self._catalogue = catalogue
            self._looks.use(catalogue)
            self._estimate()

    def count(self, sighting: Sighting) -> None:
        """Count the look of a new sighting, unless nothing was there or a code named it."""
        if sighting.evidence is None or sighting.verdict is Verdict.NOTHING:
            return
        with self._lock:
            self._looks.count(sighting.id, self._catalogue, sighting.evidence)
            self._changed = True
            self._estimate()

    def judge(self, judgement: Judgement) -> None:
        """Count the look of a sighting as what staff says it was, if it is remembered."""
        with self._lock:
            sighting, in_catalogue = judgement.sighting.id, judgement.in_catalogue
            if self._looks.judge(sighting, in_catalogue=in_catalogue):
                self._changed = self._urgent = True
                self._estimate()

    def choose(self, sighting: Sighting) -> None:
        """Count a part of a sighting's look as an item's, because a visitor chose one, once."""
        with self._lock:
            if self._looks.choose(sighting.id):
                self._changed = True
                self._estimate()

    def learned(self) -> LearnedShare:
        """What is known now."""
        with self._lock:
            looks = self._looks.catalogues.get(self._catalogue)
            total = 0.0 if looks is None else float(looks.sum())
            judged = 0.0 if looks is None else float(looks[OWN:].sum())
        return LearnedShare(self._setting, round(self._share, 4), round(total, 1), round(judged, 1))

    def keep(self, stopping: threading.Event) -> None:
        """Keep the file until `stopping` is set."""
        while not stopping.wait(CHECK_S):
            self.save(at_once=False)

    def save(self, *, at_once: bool = True) -> None:
        """Write what was learned, where it has changed; forget it where the file was removed.

        Args:
            at_once: Whether to write although little has changed since the last time.
        """
        if self._path is None:
            return
        if self._saved and not self._exists():
            self._forget()
            return
        with self._lock:
            due = at_once or self._urgent or time.monotonic() - self._saved_at >= SAVE_S
            if not (self._changed and due):
                return
            rounded = {
                name: looks.round(4).tolist() for name, looks in self._looks.catalogues.items()
            }
            content = _File(catalogues=rounded).model_dump_json() + "\n"
            self._changed = self._urgent = False
            self._saved_at = time.monotonic()
        try:
            durable.make_private_folder(self._path.parent)
            durable.write(self._path, content.encode(), durable.PRIVATE)
            self._saved = True
        except OSError as error:  # a full disk; the device recognizes without it
            log.warning("%s: cannot be written: %s", self._path, error.strerror)

    def _forget(self) -> None:
        with self._lock:
            self._looks.clear()
            self._saved = self._changed = self._urgent = False
            self._estimate()
        log.info("what was learned of the share of foreign things is forgotten")

    def _estimate(self) -> None:
        looks = self._looks.catalogues.get(self._catalogue)
        if looks is None:
            self._share = self._setting
            return
        own, foreign = float(looks[OWN]), float(looks[FOREIGN])
        self._share = estimate(RATIOS, looks[:OWN], own, foreign, self._setting)

    def _exists(self) -> bool:
        return self._path is not None and self._path.exists()

    def _read(self) -> dict[str, Numbers]:
        if self._path is None:
            return {}
        try:
            found = _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError):
            log.warning("%s: damaged; the share of foreign things is learned anew", self._path)
            return {}
        return {name: np.array(looks) for name, looks in found.catalogues.items()}


def lineage(bundle: Bundle | None) -> str:
    """What all builds of one catalogue have in common: its title, and the network's id."""
    if bundle is None:
        return ""
    return f"{bundle.manifest.title} ({bundle.manifest.featurizer.id})"
