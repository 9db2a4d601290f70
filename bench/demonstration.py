"""How often the device is right about drawn things under the simulated camera.

    python -m bench.demonstration [--model MODEL] [--showings 300] [--foreign 60]

Time is simulated: frames are taken from the simulator as the appliance's loop would take
them, a look every quarter of a second. A showing is judged by what the device says when
the thing has been at rest, just before it is taken away; one that has not settled by then
is wrong. The seeds are used nowhere else.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.bundle import Bundle
from catalog.photos import decode
from catalog.settings import CatalogSettings
from edge.demo import prepare
from edge.recognizer import Recognizer
from edge.sighting import Frame, Image, Verdict
from edge.simulator.scene import Simulator

SEEDS = range(90_001, 90_100)
SHOWINGS_A_SEED = 50
RESULTS = Path("bench-results")
INTERVAL = 0.25  # seconds between looks


@dataclass(frozen=True)
class Outcome:
    """What became of one showing: `first` is the nearest item, whatever the verdict.

    `changes` counts changes of the verdict while the thing was at rest, after the first.
    """

    kind: str
    sku: str | None
    verdict: Verdict
    first: str | None
    named: tuple[str, ...]
    changes: int
    look: Image | None


def outcomes(bundle: Bundle, seed: int, showings: int, exact: bool = False) -> Iterator[Outcome]:
    """Play one simulated counter to a fresh recognizer."""
    simulator = Simulator(seed)
    recognizer = Recognizer(bundle, exact=exact)
    next_look = 0.0
    index = 0
    for number in range(showings):
        frames, resting = simulator.showing(number), simulator.resting(number)
        verdict, first, look = Verdict.NOTHING, None, None
        named: tuple[str, ...] = ()
        said: list[object] = []
        kind, sku = "", None
        while index < frames.stop:
            at = index / simulator.fps
            index += 1
            if at < next_look:
                continue
            next_look = at + INTERVAL
            image, truth = simulator.frame(index - 1)
            seen = recognizer.see(Frame(image, at, index))
            if index - 1 in resting:
                kind, sku = truth.kind, truth.sku
                verdict = seen.opinion.verdict
                named = tuple(match.sku for match in seen.opinion.matches)
                if seen.found:
                    first = seen.found[0].sku
                if seen.look is not None:
                    look = seen.look.image
                if seen.news:
                    said.append(seen.opinion.subject)
        yield Outcome(kind, sku, verdict, first, named, max(0, len(said) - 1), look)


def measure(bundle: Bundle, items: int, foreign: int, exact: bool = False) -> dict[str, object]:
    """Play until there were enough showings of items and of foreign things."""
    histogram = HistogramBaseline(bundle)
    counts: Counter[str] = Counter()
    wrong: list[tuple[str | None, str, str | None]] = []
    for seed in SEEDS:
        for one in outcomes(bundle, seed, SHOWINGS_A_SEED, exact):
            if one.kind == "item" and counts["items"] < items:
                settled = one.verdict is not Verdict.NOTHING
                right = settled and one.first == one.sku
                counts["items"] += 1
                counts["right"] += right
                counts["right_and_named"] += one.named[:1] == (one.sku,)
                counts["unsettled"] += not settled
                counts["unknown"] += one.verdict is Verdict.UNKNOWN
                counts["one_of"] += one.verdict is Verdict.ONE_OF
                counts["changes"] += one.changes
                if one.look is not None:
                    counts["histogram"] += histogram.first(one.look) == one.sku
                if not right or one.verdict is Verdict.UNKNOWN:
                    wrong.append((one.sku, one.verdict.value, one.first))
            elif one.kind == "foreign" and counts["foreign"] < foreign:
                counts["foreign"] += 1
                counts["foreign_unknown"] += one.verdict is Verdict.UNKNOWN
                counts["foreign_nothing"] += one.verdict is Verdict.NOTHING
            elif one.kind in ("hand", "empty"):
                counts["hands"] += 1
                counts["hands_named"] += bool(one.named)
        if counts["items"] >= items and counts["foreign"] >= foreign:
            break
    return {**counts, "wrong": wrong}


class HistogramBaseline:
    """A colour histogram in the place of the network: what it takes no network to know."""

    def __init__(self, bundle: Bundle) -> None:
        pictures = (
            decode(bundle.thumbnail(number) or b"", str(number))
            for number in range(bundle.manifest.photos)
        )
        self._stored = np.stack([colour_histogram(picture) for picture in pictures])
        self._skus = bundle.items.skus

    def first(self, look: Image) -> str:
        """The sku of the photo with the most similar colours."""
        return self._skus[int((self._stored @ colour_histogram(look)).argmax())]


def colour_histogram(image: Image) -> NDArray[np.float32]:
    """Square roots of a 12 x 4 x 4 HSV histogram of BGR uint8 (h, w, 3); length 1."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [12, 4, 4], [0, 180, 0, 256, 0, 256])
    return np.asarray(np.sqrt(counts.ravel() / counts.sum()), np.float32)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="embedded", help="as for 'catalog build'")
    parser.add_argument("--showings", type=int, default=300)
    parser.add_argument("--foreign", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    bundle = prepare(RESULTS / "demonstration", CatalogSettings(), arguments.model)
    found = measure(Bundle.open(bundle), arguments.showings, arguments.foreign)

    def share(part: str, whole: str) -> str:
        return f"{found[part]} of {found[whole]} ({found[part] / found[whole]:.1%})"  # type: ignore[operator]

    print("simulated camera, drawn things")
    print(f"  right first on the settled sighting   {share('right', 'items')}  wanted 97 %")
    print(f"  right first and named                 {share('right_and_named', 'items')}")
    print(f"  called unknown                        {share('unknown', 'items')}  at most 5 %")
    print(f"  'one of these'                        {share('one_of', 'items')}")
    print(f"  never settled                         {share('unsettled', 'items')}")
    print(f"  colour histogram, right first         {share('histogram', 'items')}")
    print(
        f"  foreign things called unknown         "
        f"{share('foreign_unknown', 'foreign')}  wanted 70 %"
    )
    print(f"  hands named as an item                {share('hands_named', 'hands')}")
    print(f"  changes of mind while at rest         {found['changes']}")
    for sku, verdict, first in found["wrong"]:  # type: ignore[attr-defined]
        print(f"    {sku}: {verdict}, nearest {first}")
    (RESULTS / "demonstration.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
