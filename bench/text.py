"""Measure what reading the words on things gains, and what it costs.

    python -m bench.text [--pairs 50] [--showings 5] [--unpictured 200] [--foreign 50]
                         [--read 20] [--items 10000]

Near twins: ten pairs of the demonstration and drawn pairs that differ by the words on their labels
only, each item with three photos, before the simulated camera. Items without a photo: drawn
packages that the catalogue knows by their titles only; the foreign ones are in no catalogue, and
none has both brand and name of an item without a photo. Times are of the processor.
`bench.evidence` measures what words gain on photos of groceries.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from bench.words import other_items, write_catalogue
from catalog.building.build import BuildOptions, build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item, Items
from catalog.bundles.match import Match
from catalog.bundles.word_evidence import weigh_words
from catalog.core.box import Box
from catalog.core.settings import CatalogSettings
from catalog.networks.featurizer import Featurizer
from catalog.networks.text_reader import TextReader
from catalog.recognition.decision import Verdict
from catalog.sources.source import SourceItem
from catalog.synthetic.assortment import LINES
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items, twins
from catalog.synthetic.photos import photograph
from edge.health import rss_bytes
from edge.sighting import Image
from edge.simulator.simulator import showings
from edge.vision.fixed_scene import FixedScene
from edge.vision.picture_search import search_picture
from edge.vision.text_reading import NO_READING, TextReading
from edge.vision.verdict import Decision, decide

RESULTS = Path("bench-results")
SEED = 93_001
PHOTOS = 3  # of each twin
DEMONSTRATION_PAIRS = 10
TITLES = 20  # that are weighed
NOISE_LINES = ("ingredlents: water, sugar", "best before see lid", "xqzptlk", "0800 123456", "NEW")
SYLLABLES = "ba ke lo mi nu ra se ti vo za dri fel gan hol pra sten".split()
VARIETIES = (
    "Mild Strong Dark Light Sweet Salted Natural Organic Classic Special Summer Winter Vanilla "
    "Cinnamon Ginger Honey Almond Hazelnut Coconut Cherry Raspberry Peach Melon Papaya Garlic "
    "Onion Pepper Basil Tomato Mustard Family Extra Sensitive Fresh Intense Herbal Rye Spelt"
).split()
Look = tuple[str, Image, Box | None]  # the right sku, empty for a foreign thing; picture; place


def drawn_pair(number: int) -> tuple[DrawnItem, DrawnItem]:
    """Two packages that differ by one word on their labels."""
    random = np.random.default_rng([SEED, number])
    line = LINES[number % len(LINES)]
    like = next(item for item in drawn_items() if item.title.startswith(_brand(line.brand)))
    brand = "".join(random.choice(SYLLABLES, 3)).title()
    some, other = (str(name) for name in random.choice(VARIETIES, 2, replace=False))
    return _variety(like, brand, some, number), _variety(like, brand, other, number)


def _words(item: DrawnItem) -> tuple[str, str]:
    """The brand and name on a package's label."""
    assert item.drawing.label is not None, "packages have labels"
    return item.drawing.label.brand, item.drawing.label.name


def _brand(brand: str) -> str:
    return brand.title() if brand.isupper() else brand


def _variety(like: DrawnItem, brand: str, name: str, number: int) -> DrawnItem:
    label = like.drawing.label
    assert label is not None, "packages have labels"
    drawing = replace(like.drawing, label=replace(label, brand=brand, name=name))
    title = f"{brand} {like.kind} {name}, {label.detail}"
    sku = f"{brand}-{name}-{number}".lower()
    return DrawnItem(sku, title, drawing, kind=like.kind)


def looks(items: Sequence[DrawnItem], count: int, seed: int) -> Iterator[Look]:
    """Showings of drawn things at rest, each with the place where the scene sees the thing."""
    for truth, image, empty in showings(seed, count, ("item",), items):
        scene = FixedScene()
        scene.learn(empty)
        yield truth.sku or "", image, scene.update(image).box


def ask(bundle: Bundle, shown: Iterable[Look], text: TextReading) -> dict[str, object]:
    """Ask for some looks, and count the answers without and with reading."""
    by_sight, read = Counter[str](), Counter[str]()
    took = []
    for sku, image, box in shown:
        seen = search_picture(bundle, image, box, NO_READING)
        _count(by_sight, sku, seen.decision, seen.found)
        decision, found = seen.decision, seen.found
        if text.wanted(decision, some_without_photo=bundle.items.some_without_photo):
            start = time.process_time()
            words = text.read(bundle, found, image if box is None else box.cut(image))
            took.append((time.process_time() - start) * 1000)
            decision, found = decide(words.found, bundle.manifest.calibration), words.found
        _count(read, sku, decision, found)
    ms = float(np.median(took)) if took else 0.0
    return {"not read": dict(by_sight), "read": dict(read), "asked to read": len(took), "ms": ms}


def _count(counts: Counter[str], sku: str, decision: Decision, found: Sequence[Match]) -> None:
    """Count one answer; `sku` is empty for a foreign thing."""
    named = decision.matches[0].sku if decision.verdict is Verdict.MATCH else None
    counts["shown"] += 1
    counts["first"] += bool(sku) and bool(found) and found[0].sku == sku
    counts["right"] += named is not None and named == sku
    counts["wrong"] += named is not None and named != sku
    counts["one of"] += decision.verdict is Verdict.ONE_OF


def make(folder: Path, sources: Sequence[SourceItem]) -> Bundle:
    """Build and open a catalogue."""
    options = BuildOptions(read_text=True)
    build(sources, folder / "b", Featurizer.open(), CatalogSettings().cache, "Words", options, show)
    return Bundle.open(folder / "b")


def show(stage: str, done: int, total: int) -> None:
    """Say how far a build is, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{stage}: {done} of {total}    ", end="", file=sys.stderr)


def photographed(folder: Path, items: Iterable[DrawnItem]) -> list[SourceItem]:
    """Write the photos of drawn items."""
    sources = []
    for item in items:
        places = []
        for number in range(PHOTOS):
            place = folder / f"{item.sku}-{number}.png"
            cv2.imwrite(str(place), photograph(item, number))
            places.append(str(place))
        sources.append(SourceItem(_item(item), tuple(places)))
    return sources


def _item(drawn: DrawnItem) -> Item:
    return Item(drawn.sku, drawn.title, attributes=dict(drawn.attributes))


def near_twins(folder: Path, pairs: int, shown: int, reading: TextReading) -> dict[str, object]:
    """Tell near twins apart, without and with reading."""
    chosen = twins()[:DEMONSTRATION_PAIRS][:pairs]
    chosen += [drawn_pair(number) for number in range(pairs - len(chosen))]
    items = [item for pair in chosen for item in pair]
    sources = photographed(folder, items)
    with make(folder, sources) as bundle:
        return {"near twins": ask(bundle, looks(items, shown * len(items), SEED), reading)}


def without_photos(
    folder: Path, count: int, foreign: int, reading: TextReading
) -> dict[str, object]:
    """Find drawn packages by their words alone, beside the demonstration's pictured ones."""
    hidden = [item for number in range(count // 2) for item in drawn_pair(10_000 + number)]
    known = {_words(item) for item in hidden}  # with them, words make a thing that item
    others = (drawn_pair(number)[0] for number in itertools.count(20_000))
    strangers = list(
        itertools.islice((item for item in others if _words(item) not in known), foreign)
    )
    sources = photographed(folder, drawn_items()[:20])
    sources += [SourceItem(_item(item), ()) for item in hidden]
    unknown = (("", image, box) for _, image, box in looks(strangers, foreign, SEED + 2))
    with make(folder, sources) as bundle:
        return {
            "without photo": ask(bundle, looks(hidden, count, SEED + 1), reading),
            "foreign to these": ask(bundle, unknown, reading),
        }


def reading_cost(count: int) -> dict[str, object]:
    """Measure what reading some drawn things costs: processor time, and memory in MB."""
    pictures = [
        image if box is None else box.cut(image)
        for _, image, box in looks([*drawn_pair(30_000), *drawn_pair(30_001)], count, SEED + 3)
    ]
    reader, before, took = TextReader(), rss_bytes(), []
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest memory until now
    for picture in pictures:
        start = time.thread_time()
        reader.read(picture)
        took.append((time.thread_time() - start) * 1000)
    most = _largest_rss_bytes()
    ctypes.CDLL(None).malloc_trim(0)  # as a device does every two seconds
    added = {"added_mb": (rss_bytes() - before) >> 20, "at_most_mb": (most - before) >> 20}
    return {f"reading {count} things": {"ms": float(np.median(took)), **added}}


def _largest_rss_bytes() -> int:
    """The largest resident memory of this process since it was last forgotten."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def weighing(folder: Path, count: int) -> dict[str, object]:
    """Time the weighing of words in a catalogue of many items."""
    write_catalogue(folder, count)
    items = Items(folder / "items.db", folder / "pictures.db", folder / "words.db")
    took = []
    for item in other_items(TITLES):
        lines = [item.title, *item.attributes.values(), *NOISE_LINES]
        start = time.thread_time()
        weigh_words(items, [], lines)
        took.append((time.thread_time() - start) * 1000)
    items.close()
    return {f"weighing, {count} items": {"ms": float(np.median(took)), "worst_ms": max(took)}}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=50, help="of near twins")
    parser.add_argument("--showings", type=int, default=5, help="of each of them")
    parser.add_argument("--unpictured", type=int, default=200, help="items without a photo")
    parser.add_argument("--foreign", type=int, default=50, help="packages of no catalogue")
    parser.add_argument(
        "--read", type=int, default=20, help="things, to measure what reading costs"
    )
    parser.add_argument("--items", type=int, default=10_000, help="to weigh words among")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    reading = TextReading("when unsure", TextReader(keep_open=True))
    results: dict[str, object] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for measured in _measurements(arguments, folder, reading):
            for what, counts in measured.items():
                print(f"{what:26} {json.dumps(counts)}", flush=True)
            results |= measured
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "text.json").write_text(json.dumps(results, indent=1))


def _measurements(
    arguments: argparse.Namespace, folder: Path, reading: TextReading
) -> Iterator[dict[str, object]]:
    if arguments.read:
        yield reading_cost(arguments.read)
    if arguments.items:
        yield weighing(_new(folder / "items"), arguments.items)
    if arguments.unpictured:
        yield without_photos(
            _new(folder / "unpictured"), arguments.unpictured, arguments.foreign, reading
        )
    if arguments.pairs:
        yield near_twins(_new(folder / "twins"), arguments.pairs, arguments.showings, reading)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
