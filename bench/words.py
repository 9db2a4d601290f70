"""Measure the search by words: what it finds, and how long it takes.

    python -m bench.words [NUMBER OF ITEMS]

The items of ``words_items.tsv`` stand among others, drawn from the words of shops, that make up
the number (100,000 by default). Each query of ``words_queries.tsv`` names the items that it should
find. Those of the set "own" were looked at while the search was made; those of the set "held out"
were written before it and only counted. "Before" is the search of a bundle without ``words.db``.
Times are of the processor, in one thread. Results are written to bench-results/.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
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
OUTCOMES = ("first", "found", "not")
# What may take long: much of it, parts that nearly all items have, and words that none has.
LONG = (
    "e",
    "10",
    "水",
    "steel brass",
    "steel nylon pcs 100",
    "x1 x2 x3 x4",
    "red steel washer 10x20 50 pcs nono",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "a-b-c-d-e-f-g-h-i-j-k-l-m-n",
    "ab000123",
    "xqzptlk",
    "xqzptlkw jjkkhha",
    " ".join(f"unknownword{letter}qx" for letter in "abcdefghijkl"),
    " ".join("qwertzuiopasdfg"[start : start + 12] for start in range(4)),
    "schraubenzieherxyzzy " * 12,
    "a" * 500,
)

KINDS = (
    "Washer Bracket Hinge Valve Filter Lamp Cable Socket Brush Basket Scharnier Ventil "
    "Winkelverbinder Schlauchschelle Dichtring Wandhalter Kabelbinder Fenstergriff Charnière "
    "Vanne Ampoule Шайба Кронштейн Лампа 门铰链 不鏽鋼閥門 蝶番 ブラケット 경첩 บานพับ مفصلة"
).split()
COLOURS = (
    "red blue black white grau schwarz blanc noir rojo negro чёрный белый 黑色 白色 สีขาว".split()
)
MATERIALS = ("steel", "brass", "Edelstahl", "nylon", "laiton")
SYLLABLES = ("BDFGKLMNPRSTVZ", "aeiou", "lmnrstv", "aeio", "xnks")
CAPITALS = "ABCDEFGHKLMNPRSTVZ"


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
    """Return the queries of ``words_queries.tsv``; several skus have commas between them."""
    return [
        Query(
            row["set"], row["kind"], row["query"], frozenset(filter(None, row["skus"].split(",")))
        )
        for row in _rows(QUERIES)
    ]


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


def other_items(count: int) -> Iterator[Item]:
    """Draw `count` items of a shop that none of the queries is about."""
    random = Random(count)
    makers = ["".join(random.choice(letters) for letters in SYLLABLES) for _ in range(3000)]
    for number in range(count):
        size = f"{random.randrange(2, 60)}x{random.randrange(4, 400)}"
        yield Item(
            f"{random.choice(CAPITALS)}{random.choice(CAPITALS)}-{number:06}",
            f"{random.choice(KINDS)} {size} {random.choice(COLOURS)}",
            attributes={
                "brand": random.choice(makers),
                "material": random.choice(MATERIALS),
                "pack": f"{random.choice((1, 5, 10, 50, 100))} pcs",
            },
        )


def write_catalogue(folder: Path, count: int) -> None:
    """Write the metadata of a bundle with `count` items into `folder`."""
    items = items_to_find()
    items += other_items(count - len(items))
    photos = (Photo(number, item.sku, "photo.jpg", 1, 1, "") for number, item in enumerate(items))
    write_items(folder, items, photos)
    write_thumbnails(folder / "pictures.db", [(0, b"")])


def outcome(query: Query, found: Sequence[Item]) -> str:
    """Say whether a right item came first, was found among the first twenty, or was not."""
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


def measure(count: int) -> dict[str, object]:
    """Write a catalogue of `count` items and search it."""
    asked = queries()
    with TemporaryDirectory() as name:
        folder = Path(name)
        start = time.process_time()
        write_catalogue(folder, count)
        written = time.process_time() - start
        files = [folder / file for file in ("items.db", "pictures.db", "words.db")]
        earlier, items = Items(*files[:2]), Items(*files)
        outcomes = {
            when: [outcome(query, searched.find(query.text, LIMIT)) for query in asked]
            for when, searched in (("before", earlier), ("after", items))
        }
        earlier.close()
        memory = psutil.Process().memory_info().rss
        times = {query.text: milliseconds(items, query.text) for query in asked}
        long = {text: milliseconds(items, text) for text in LONG}
        more = psutil.Process().memory_info().rss - memory
        items.close()
        sizes = {
            f"{file.name}, MB": file.stat().st_size / 1e6 for file in files if file != files[1]
        }
    return {
        "items": count,
        "writing the metadata, s": written,
        **sizes,
        "a query's search, median, ms": statistics.median(times.values()),
        "a query's search, longest, ms": max(times.values()),
        "long searches, longest, ms": max(long.values()),
        "memory that all searches took, MB": more / 1e6,
        "long searches, ms": {text[:40]: took for text, took in long.items()},
        "queries": [
            {
                "set": query.origin,
                "kind": query.kind,
                "text": query.text,
                "ms": times[query.text],
                "before": outcomes["before"][place],
                "after": outcomes["after"][place],
            }
            for place, query in enumerate(asked)
        ],
    }


def main() -> None:
    """Print and write what is found and how long it takes."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "words.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    asked = figures.pop("queries")
    assert isinstance(asked, list)
    table = Table("set", "when", *OUTCOMES)
    for origin in dict.fromkeys(query["set"] for query in asked):
        for when in ("before", "after"):
            came = [query[when] for query in asked if query["set"] == origin]
            counts = [str(came.count(outcome)) for outcome in OUTCOMES]
            table.add_row(f"{origin} ({len(came)})", when, *counts)
    console = Console()
    console.print(table)
    console.print_json(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
