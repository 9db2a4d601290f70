"""Measure the search by words: what is found, and how long it takes.

    python -m bench.words [NUMBER OF ITEMS]

The items of ``words_items.tsv`` stand among as many others, made of the words of shops, as make up
the number (100,000 by default). The queries of ``words_queries.tsv`` are of two sets: "own" ones,
which the search was made with, and "held out" ones, which were written before it and looked at
only after it was done. Each names the items that it should find. Results go to bench-results/.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console
from rich.table import Table

from catalog.bundles.items import Item, Items, Photo, write_items, write_thumbnails

RESULTS = Path("bench-results")
ITEMS, QUERIES = (Path(__file__).with_name(f"words_{name}.tsv") for name in ("items", "queries"))
COUNT = 100_000
LIMIT = 20
REPEATS = 5
SHORT = ("e", "a", "s", "10", "水", "wei", "steel", "blue 10", "xqzptlk", "screwdirvers stel")


@dataclass(frozen=True)
class Query:
    """A text, and the skus of the items that it should find; none where nothing is right."""

    origin: str
    kind: str
    text: str
    skus: frozenset[str]


def items_to_find() -> list[Item]:
    """Return the items of ``words_items.tsv``."""
    return [
        Item(
            row["sku"],
            row["title"],
            attributes=dict(pair.split("=", 1) for pair in row["attributes"].split(";") if pair),
        )
        for row in _rows(ITEMS)
    ]


def queries() -> list[Query]:
    """Return the queries of ``words_queries.tsv``."""
    return [
        Query(row["set"], row["kind"], row["query"], _skus(row["skus"])) for row in _rows(QUERIES)
    ]


def _skus(text: str) -> frozenset[str]:
    return (
        frozenset()
        if text == "-"
        else frozenset(text.split(" "))
        if "AB-" not in text
        else frozenset([text])
    )


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def other_items(count: int) -> Iterator[Item]:
    """Yield `count` items with words of shops, which none of the queries is about."""
    random = Random(count)
    kinds = "Washer Bracket Hinge Valve Filter Lamp Cable Socket Brush Basket Scharnier Ventil "
    kinds += "Winkelverbinder Schlauchschelle Dichtring Wandhalter Kabelbinder Fenstergriff "
    kinds += "Charnière Vanne Ampoule Шайба Кронштейн Лампа 门铰链 不鏽鋼閥門 蝶番 ブラケット 경첩 "
    kinds += "บานพับ مفصلة"
    colours = "red blue black white grau schwarz blanc noir rojo negro чёрный белый 黑色 白色 สีขาว"
    makers = [
        "".join(
            random.choice(pair) for pair in ("BDFGKLMNPRSTVZ", "aeiou", "lmnrstv", "aeio", "xnks")
        )
        for _ in range(3000)
    ]
    kind_list, colour_list = kinds.split(), colours.split()
    for number in range(count):
        size = f"{random.randrange(2, 60)}x{random.randrange(4, 400)}"
        yield Item(
            f"{random.choice('ABCDEFGHKLMNPRSTVZ')}{random.choice('ABCDEFGHKLMNPRSTVZ')}-{number:06}",
            f"{random.choice(kind_list)} {size} {random.choice(colour_list)}",
            attributes={
                "brand": random.choice(makers),
                "material": random.choice(("steel", "brass", "Edelstahl", "nylon", "laiton")),
                "pack": f"{random.choice((1, 5, 10, 50, 100))} pcs",
            },
        )


def open_items(folder: Path, count: int) -> Items:
    """Write ``items.db`` with `count` items into `folder` and open it."""
    items = items_to_find()
    items += other_items(count - len(items))
    photos = (Photo(number, item.sku, "photo.jpg", 1, 1, "") for number, item in enumerate(items))
    write_items(folder, items, photos)
    write_thumbnails(folder / "pictures.db", [(0, b"")])
    return Items(*(folder / name for name in ("items.db", "pictures.db", "words.db")))


def outcome(query: Query, found: list[Item]) -> str:
    """Return "first", "found" (among the first twenty) or "not" """
    skus = [item.sku for item in found]
    if not query.skus:
        return "not" if skus else "first"
    if skus and skus[0] in query.skus:
        return "first"
    return "found" if query.skus & set(skus) else "not"


def milliseconds(items: Items, text: str) -> float:
    """Return the median processor time of some searches for `text`."""
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        items.find(text, LIMIT)
        times.append(1000 * (time.thread_time() - start))
    return statistics.median(times)


def main() -> None:
    """Print and write what is found and the times."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    console = Console()
    with TemporaryDirectory() as folder:
        start = time.process_time()
        items = open_items(Path(folder), count)
        built = time.process_time() - start
        size = (Path(folder) / "words.db").stat().st_size
        before = psutil.Process().memory_info().rss
        results = [(query, outcome(query, items.find(query.text, LIMIT))) for query in queries()]
        times = {
            text: milliseconds(items, text) for text in [*SHORT, *(q.text for q, _ in results)]
        }
        more = psutil.Process().memory_info().rss - before
        items.close()
    table = Table("set", "first", "found", "not")
    figures: dict[str, object] = {"items": count}
    for origin in ("own", "held out"):
        came = [result for query, result in results if query.origin == origin]
        counts = {result: came.count(result) for result in ("first", "found", "not")}
        figures[origin] = counts
        table.add_row(f"{origin} ({len(came)})", *map(str, counts.values()))
    console.print(table)
    missed = [
        f"{q.kind}: {q.text}"
        for q, result in results
        if result == "not" and (q.origin == "own" or "--held-out" in sys.argv)
    ]
    second = [
        f"{q.kind}: {q.text}"
        for q, result in results
        if result == "found" and (q.origin == "own" or "--held-out" in sys.argv)
    ]
    worst = sorted(times, key=lambda text: -times[text])[:8]
    figures |= {
        "words.db, MB": size / 1e6,
        "writing it, s of processor": built,
        "processor time of a search, median, ms": statistics.median(times.values()),
        "processor time of a search, worst, ms": max(times.values()),
        "worst": {text: times[text] for text in worst},
        "memory after the searches, MB more": more / 1e6,
        "missed": missed,
        "not first": second,
    }
    console.print_json(json.dumps(figures, ensure_ascii=False))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "words.json").write_text(json.dumps(figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
