"""A process that searches the active catalogue and holds it to its word.

``python -m tests.proofs.crash.searcher SHELF EXPECTED [PAUSE]`` opens what is active, changes over
when that changes, and asks for one item after another, each by one of its own vectors.
EXPECTED is what `expect` wrote: for each bundle that may be active, its items' titles. On
SIGTERM a JSON object says how many answers came, which were wrong, and the longest time between
two. PAUSE: seconds between two questions.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
import threading
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import FrameType

import numpy as np

from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import VisualSearchError
from catalog.core.worker import PR_SET_PDEATHSIG

LOOK_S = 0.05


def expect(file: Path, bundles: Iterable[Path]) -> None:
    """Write down what each of the bundles must answer."""
    expected = {}
    for path in bundles:
        bundle = Bundle.open(path)
        titles = {item.sku: item.title for item in map(bundle.item, bundle.items.skus) if item}
        expected[bundle.id] = {"skus": bundle.items.skus, "titles": titles}
    file.write_text(json.dumps(expected))


class Searcher:
    """Counts answers, wrong ones, and the time between them."""

    def __init__(
        self, shelf: Shelf, expected: dict[str, dict[str, object]], pause_s: float = 0.0
    ) -> None:
        self._shelf = shelf
        self._pause_s = pause_s
        self._expected = expected
        self._bundle: Bundle | None = None
        self.answers = 0
        self.wrong: list[str] = []
        self.times: list[float] = []  # seconds from one answer to the next
        self.seen: list[str] = []
        self.stopping = False

    def run(self) -> None:
        """Search until `stopping`; a newer bundle is opened beside it, as the device does."""
        self._follow()
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            self._search()
        finally:
            self.stopping = True
            watch.join()  # an engine that is being opened while the interpreter ends aborts it

    def _search(self) -> None:
        before = time.perf_counter()
        for turn in count():
            if self.stopping:
                return
            if self._bundle is not None:
                self._ask(self._bundle, turn)
                now = time.perf_counter()
                self.times.append(now - before)
                before = now
            if self._pause_s:
                time.sleep(self._pause_s)
            if turn == 0:
                print("searching", flush=True)  # whoever waits for that may go on

    def _watch(self) -> None:
        while not self.stopping:
            self._follow()
            time.sleep(LOOK_S)

    def _follow(self) -> None:
        active = self._shelf.active()
        if active is None or (self._bundle is not None and active.name == self._bundle.id):
            return
        try:
            self._bundle = Bundle.open(active, "onnxruntime", verified=True)
        except VisualSearchError as error:
            if self._shelf.active() == active:  # else it was pruned between the two steps
                self._blame(f"active {active.name} does not open: {error}")
            return
        self.seen.append(self._bundle.id)

    def _ask(self, bundle: Bundle, turn: int) -> None:
        expected = self._expected.get(bundle.id)
        if expected is None:
            self._blame(f"{bundle.id} was never published")
            return
        row = turn % len(bundle.items.skus)
        vector = np.asarray(bundle.vectors()[row], np.float32)
        found = bundle.search(vector, 1)[0].sku
        item = bundle.item(found)
        self.answers += 1
        skus, titles = expected["skus"], expected["titles"]
        assert isinstance(skus, list)
        assert isinstance(titles, dict)
        if found != skus[row] or item is None or item.title != titles[found]:
            self._blame(f"{bundle.id}: row {row} found {found}, {item and item.title!r}")

    def _blame(self, fault: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(fault)

    def report(self) -> dict[str, object]:
        """What was seen, ready to be JSON."""
        times = np.array(self.times or [0.0]) * 1000
        return {
            "answers": self.answers,
            "wrong": self.wrong,
            "seen": self.seen,
            "p50_ms": float(np.median(times)),
            "p99_ms": float(np.quantile(times, 0.99)),
            "longest_ms": float(times.max()),
        }


def main() -> None:
    """Search until SIGTERM; print the report."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it never ends by itself
    shelf, expected = Shelf(Path(sys.argv[1])), json.loads(Path(sys.argv[2]).read_text())
    searcher = Searcher(shelf, expected, float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)

    def stop(number: int, frame: FrameType | None) -> None:
        searcher.stopping = True

    signal.signal(signal.SIGTERM, stop)
    searcher.run()
    print(json.dumps(searcher.report()), flush=True)


if __name__ == "__main__":
    main()
