"""Find the row that names the columns."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.core.photos import is_address, is_photo_name
from catalog.sources.source import ColumnMap
from catalog.sources.tables.column_names import field_of, plain
from catalog.sources.tables.columns import columns_for

SEARCHED = 10  # rows: lists often have a title above


def known_names(cells: Sequence[str], chosen: ColumnMap) -> int:
    """Return how many of these are known names of columns."""
    wanted = {plain(column) for field in chosen for column in columns_for(field, chosen)}
    return sum(field_of(cell) is not None or plain(cell) in wanted for cell in cells)


def find_header(rows: Sequence[Sequence[str]], chosen: ColumnMap) -> int | None:
    """Return which of the first rows names a column of skus and another one, or None."""
    for number, cells in enumerate(rows[:SEARCHED]):
        if _names_skus(cells, chosen) and known_names(cells, chosen) > 1:
            return number
    return None


def place_among(names: Sequence[str]) -> str | None:
    """Return a photo's file name, or an address, among what should be names of columns, or None.

    Where a name is a usual one of skus or photos, all are names of columns.
    """
    if any((field_of(name) or ("",))[0] in ("sku", "photo", "file") for name in names):
        return None
    return next((name for name in names if is_photo_name(name) or is_address(name)), None)


def _names_skus(cells: Sequence[str], chosen: ColumnMap) -> bool:
    if "sku" in chosen:
        wanted = {plain(column) for column in columns_for("sku", chosen)}
        return any(plain(cell) in wanted for cell in cells)
    return any((field_of(cell) or ("",))[0] == "sku" for cell in cells)
