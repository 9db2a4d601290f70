"""``visual-search edge run`` that also repeats its answers and heartbeats when it is told to.

    python -m bench.soak.device REQUESTS [options of visual-search]

3,000 showings a day for 30 days cannot all be drawn and looked at in an hour. So some are shown to
the camera, and between these the newest answer is given again: everything behind the recognizer
(page, history, outbox, counters) does its whole work for each. REQUESTS is a file that both sides
map into memory; see `Requests`.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

from catalog.recognition.decision import Verdict
from edge.appliance import run
from edge.appliance.appliance import Appliance
from edge.vision.picture_search import Observation
from edge.vision.verdict import NOTHING

AT_ONCE = 4  # answers that are repeated between two frames
FIELDS = ("showings", "showings done", "heartbeats", "heartbeats done")


class Requests:
    """What the appliance is to repeat, and what it has repeated; it stays when it is killed.

    Args:
        file: Where it is kept; made when it is missing.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(8 * len(FIELDS)))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 8 * len(FIELDS))

    def get(self, name: str) -> int:
        """The number of a field."""
        found: int = struct.unpack_from("=q", self._shared, 8 * FIELDS.index(name))[0]
        return found

    def add(self, name: str, number: int) -> None:
        """Add to a field; each field has one writer."""
        struct.pack_into("=q", self._shared, 8 * FIELDS.index(name), self.get(name) + number)

    def is_done(self) -> bool:
        """Whether all was repeated."""
        return all(
            self.get(name) <= self.get(f"{name} done") for name in ("showings", "heartbeats")
        )


class RepeatingAppliance(Appliance):
    """An appliance that repeats its newest answer, in the loop's own thread between two frames."""

    requests: Requests
    _kept: Observation | None = None

    def _exchange_catalogue(self) -> None:
        super()._exchange_catalogue()
        observation, bundle = self._loop.observation, self._loop.open_bundle
        if self._kept is not None and bundle is not None and self._kept.bundle is not bundle:
            # Else the bundle before would stay open; the new one holds the same items.
            self._kept = replace(self._kept, bundle=bundle)
        if observation is None or bundle is None or observation.bundle is not bundle:
            return
        if observation.decision.verdict is not Verdict.NOTHING:
            self._kept = observation
            return  # something lies there, and the answer is about it
        for _ in range(AT_ONCE if self._kept is not None else 0):
            if self.requests.get("showings done") >= self.requests.get("showings"):
                break
            for shown in (self._kept, Observation(bundle, NOTHING, decision_changed=True)):
                assert shown is not None
                self._loop.publish(shown, time.time(), features=shown.features)
            self.requests.add("showings done", 1)
        if self._recorder is not None and (
            self.requests.get("heartbeats done") < self.requests.get("heartbeats")
        ):
            self._recorder._enqueue("heartbeat", self._recorder._put_heartbeat)
            self.requests.add("heartbeats done", 1)


def main() -> None:
    """Run the command with this appliance in the place of the usual one."""
    from visual_search.command import main as command

    RepeatingAppliance.requests = Requests(Path(sys.argv.pop(1)))
    vars(run)["Appliance"] = RepeatingAppliance
    command()


if __name__ == "__main__":
    main()
