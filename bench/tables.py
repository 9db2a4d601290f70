"""Measure how long tables of 100,000 rows take to read, by the kind of file.

``python -m bench.tables [ROWS]``
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import openpyxl

from catalog.sources.read import read_source

ROWS = 100_000
NAMES = ("sku", "title", "photo", "price", "location", "colour")


def cells(number: int) -> tuple[str, ...]:
    """Return a row with two photos."""
    photos = f"a/{number}.jpg|b/{number}.jpg"
    return f"A{number}", f"Größe {number}", photos, "12,50", "A 3", "blue"


def write_csv(path: Path, rows: int) -> None:
    """Write a plain table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(NAMES)
        writer.writerows(cells(number) for number in range(rows))


def write_json_lines(path: Path, rows: int) -> None:
    """Write a JSON object on each line."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps(dict(zip(NAMES, cells(number), strict=True))) + "\n")


def write_shopify(path: Path, rows: int) -> None:
    """Write an export of Shopify with three rows a product."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Handle", "Title", "Body (HTML)", "Variant SKU", "Image Src"])
        for number in range(rows):
            product = number // 3
            first = [f"T {product}", "<p>Some <b>text</b></p>", f"S{product}"]
            rest = first if number % 3 == 0 else ["", "", ""]
            writer.writerow([f"h{product}", *rest, f"https://shop.example/{number}.jpg"])


def write_feed(path: Path, rows: int) -> None:
    """Write a product feed."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<rss xmlns:g="http://base.google.com/ns/1.0"><channel>\n')
        for number in range(rows):
            file.write(
                f"<item><g:id>{number}</g:id><title>T {number}</title><g:image_link>"
                f"https://shop.example/{number}.jpg</g:image_link><g:price>9 USD</g:price></item>\n"
            )
        file.write("</channel></rss>\n")


def write_workbook(path: Path, rows: int) -> None:
    """Write an Excel workbook."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("items")
    sheet.append(NAMES)
    for number in range(rows):
        sheet.append(cells(number))
    book.save(path)


KINDS: dict[str, Callable[[Path, int], None]] = {
    "plain.csv": write_csv,
    "lines.jsonl": write_json_lines,
    "shopify.csv": write_shopify,
    "feed.xml": write_feed,
    "workbook.xlsx": write_workbook,
}


def main() -> None:
    """Write and read a table of each kind; print the processor's seconds for reading."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        for name, write in KINDS.items():
            path = Path(folder, name)
            write(path, rows)
            start = time.process_time()
            items = len(read_source(path).items)
            seconds = time.process_time() - start
            print(f"{name}: {rows} rows, {items} items, {seconds:.1f} s of one core")


if __name__ == "__main__":
    main()
