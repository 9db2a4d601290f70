"""Measure how often the device is right about drawn things on simulated counters.

    python -m bench.demonstration [--model MODEL] [--counters 30]

Each counter has ten showings of the catalogue's items (one beside a smaller thing, one that turns,
one under changing light, one in a shadow, one out of focus at first), twenty of foreign things,
three hands and two times nothing. There are 60 foreign things; each is shown ten times. A showing
is judged by the verdict when it has settled. The seeds are used nowhere else.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from bench.histogram import HistogramBaseline
from bench.showings import Rest, rests
from catalog.bundles.bundle import Bundle
from catalog.core.settings import CatalogSettings
from catalog.recognition.decision import Verdict
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.cli.demo import prepare
from edge.simulator.acts import ActKind
from edge.simulator.play import Play

SEED = 90_001
FOREIGN_THINGS = 60
KINDS: tuple[ActKind, ...] = (
    *("item",) * 5,
    *("two", "turn", "light", "shadow", "focus"),
    *("foreign",) * 20,
    *("hand",) * 3,
    *("empty",) * 2,
)
RESULTS = Path("bench-results")


def measure(bundle: Bundle, counters: int) -> dict[str, object]:
    """Play a number of counters, and count the verdicts."""
    things = list(foreign_things(SEED, FOREIGN_THINGS, HELD_OUT))
    histogram = HistogramBaseline(bundle)
    counts: Counter[str] = Counter()
    late: list[float] = []
    faults: list[str] = []
    for number in range(counters):
        shown = [things[(20 * number + place) % len(things)] for place in range(20)]
        play = Play(SEED + number, kinds=KINDS, foreign=shown)
        settled: dict[int, Rest] = {}
        for rest in rests(bundle, play, len(KINDS)):
            if not rest.truth.things:
                counts["empty"] += 1
                counts["empty_named"] += rest.named
                if rest.named:
                    faults.append(f"{SEED + number} {rest.act} {rest.kind}: named on nothing")
                continue
            before = settled.get(rest.act)
            settled[rest.act] = rest
            late.append(rest.late if rest.late is not None else np.inf)
            counts["changes"] += max(0, len(rest.answers) - 1)
            if before is not None and rest.kind != "turn" and before.answers and rest.answers:
                counts["changes"] += before.answers[-1] != rest.answers[0]
            if before is not None and rest.first is None:  # the answer before still holds
                rest.first, rest.crop = before.first, before.crop
        for rest in settled.values():
            _count(rest, counts, histogram, bundle)
            verdict, named = rest.answer
            if (named or "") != rest.sku:
                answer = f"{verdict.value} {named or ''}".strip()
                faults.append(
                    f"{SEED + number} {rest.act} {rest.kind}: {rest.sku or 'foreign'}, answer "
                    f"{answer}, nearest {rest.first}"
                )
    return {**counts, "late_p95": float(np.quantile(late, 0.95, method="higher")), "wrong": faults}


def _count(rest: Rest, counts: Counter[str], histogram: HistogramBaseline, bundle: Bundle) -> None:
    verdict, named = rest.answer
    if rest.kind == "foreign":
        counts["foreign"] += 1
        counts["foreign_named"] += named is not None
        return
    counts["items"] += 1
    counts["first"] += rest.first == rest.sku
    counts["right"] += named == rest.sku
    counts["one_of"] += verdict is Verdict.ONE_OF
    counts["unknown"] += verdict.claim == "unknown"
    counts["unsettled"] += verdict is Verdict.NOTHING
    if rest.crop is not None:
        counts["histogram"] += histogram.first(rest.crop) == rest.sku
        vector = bundle.featurizer.embed([rest.crop])[0]
        counts["vectors"] += bundle.search(vector, 1)[0].sku == rest.sku


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="embedded", help="as for 'catalog build'")
    parser.add_argument("--counters", type=int, default=30)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    bundle = prepare(RESULTS / "demonstration", CatalogSettings(), arguments.model)
    found = measure(Bundle.open(bundle), arguments.counters)

    def share(part: str, whole: str) -> str:
        count, of = int(found.get(part, 0)), int(found.get(whole, 0))  # type: ignore[call-overload]
        return f"{count} of {of} ({count / max(of, 1):.1%})"

    rows = (
        ("right item named, or 'one of' with it first", share("right", "items"), "98 %"),
        ("right item nearest, whatever the verdict", share("first", "items"), ""),
        ("by the vector of the newest crop alone", share("vectors", "items"), "97 %"),
        ("by a colour histogram of it", share("histogram", "items"), ""),
        ("'one of these'", share("one_of", "items"), ""),
        ("called unknown", share("unknown", "items"), ""),
        ("never settled", share("unsettled", "items"), ""),
        ("foreign things given an item", share("foreign_named", "foreign"), "1 %"),
        ("items named on hands or an empty counter", share("empty_named", "empty"), "0"),
        ("rest to answer, p95", f"{found['late_p95']:.2f} s", "1 s"),
        ("changes of mind while nothing changes", str(found.get("changes", 0)), "0"),
    )
    print("drawn things on simulated counters")
    for name, value, target in rows:
        print(f"  {name:46}{value:22}{target}")
    for fault in found["wrong"]:  # type: ignore[attr-defined]
        print(f"    {fault}")
    (RESULTS / "demonstration.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
