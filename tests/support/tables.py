"""Tables that tests read, and what was read of them."""

from __future__ import annotations

from pathlib import Path

from catalog.sources.read import read_source
from catalog.sources.source import Source


def read(folder: Path, content: str | bytes, name: str = "items.csv") -> Source:
    """Read a table with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(path)


def photos_of(source: Source) -> dict[str, list[str]]:
    """The photos of each sku; of a path, the name alone."""
    return {
        entry.item.sku: [place.rpartition("/")[2] for place in entry.photos]
        for entry in source.items
    }


def left_out(source: Source) -> list[str]:
    """What was left out, without the path of the table."""
    return [line.partition("items.csv, ")[2] for line in source.left_out]
