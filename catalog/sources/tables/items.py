"""Merge entries with the same sku into items."""

from __future__ import annotations

import re
from collections.abc import Iterable

from catalog.bundles.item_codes import holds_codes, with_codes
from catalog.sources.source import Remarks, SourceItem, source_item
from catalog.sources.tables.entries import Entry

LONGEST_SKU = 200
TOTAL = re.compile(
    r"(?:sub|grand )?totals?|total general|summe|gesamt(?:summe)?|somme|suma"
    r"|合计|总计|小计|合計|總計",
    re.IGNORECASE,
)
MOST_NAMED = 20  # the warnings of one kind that are written out


def merge(entries: Iterable[Entry], remarks: Remarks) -> list[SourceItem]:
    """Merge the entries of each sku: the first value of a field counts, codes and photos add up.

    An entry without a usable sku is left out. Another title under the same sku is warned of.
    """
    fields: dict[str, dict[str, object]] = {}
    photos: dict[str, dict[str, None]] = {}
    titled: dict[str, str] = {}  # where each sku got its title
    others = []
    for entry in entries:
        sku = entry.fields.get("sku", "")
        if not sku:
            remarks.leave_out(entry.where, "no sku")
            continue
        if len(sku) > LONGEST_SKU:
            remarks.leave_out(entry.where, f"the sku is longer than {LONGEST_SKU} characters")
            continue
        if not entry.photos and TOTAL.fullmatch(sku.rstrip(":0123456789., ")):
            remarks.leave_out(entry.where, "a row of totals")
            continue
        merged = fields.setdefault(sku, {"sku": sku})
        title, first = entry.fields.get("title"), merged.get("title")
        if title and first is None:
            titled[sku] = entry.where
        elif title and _folded(title) != _folded(str(first)):
            others.append(
                f"{titled[sku]} and {entry.where} have the same sku {sku}, but the titles "
                f"{first!r} and {title!r}; they were built as one item with the first title"
            )
        for name, value in entry.fields.items():
            if name in merged and holds_codes(name):
                merged[name] = with_codes(str(merged[name]), value)
            merged.setdefault(name, value)
        photos.setdefault(sku, {}).update(dict.fromkeys(entry.places))
    for sentence in others[:MOST_NAMED]:
        remarks.warn(sentence)
    if len(others) > MOST_NAMED:
        remarks.warn(f"so have {len(others) - MOST_NAMED} more rows another title under their sku")
    return [source_item(merged, tuple(photos[sku])) for sku, merged in fields.items()]


def _folded(title: str) -> str:
    return " ".join(title.casefold().split())
