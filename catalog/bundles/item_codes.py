"""The codes of an item: what stands in the columns for codes of its owner's table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# Columns of tables that hold codes, in lower case. What stands in them is kept as it is written.
CODE_ATTRIBUTES = (
    *("code", "codes", "gtin", "ean", "ean13", "ean 13", "upc", "barcode", "barcodes", "bar code"),
    *("variant barcode", "ean code", "upc code", "gtin ean", "isbn", "gtin upc ean or isbn"),
    *("strichcode", "code barres", "codigo de barras", "código de barras", "条码", "条形码"),
)


def holds_codes(name: str) -> bool:
    """Return whether a column, or the attribute that became of it, holds codes."""
    return name.lower().replace("g:", "").replace("_", " ").replace(",", "") in CODE_ATTRIBUTES


def with_codes(codes: str, more: str) -> str:
    """Return the codes of two rows of one item: its packages have different barcodes."""
    return codes if {*codes_in(codes)}.issuperset(codes_in(more)) else f"{codes} {more}"


def codes_of(attributes: Mapping[str, str]) -> Iterator[str]:
    """Yield the codes among the attributes of an item; see `codes_in`."""
    for name, text in attributes.items():
        if holds_codes(name):
            yield from codes_in(text)


def codes_in(text: str) -> Iterator[str]:
    """Yield the codes in an attribute: its words, and a number in groups, as on an ISBN."""
    yield from text.split()
    yield from re.split(r"[\s,;|]+", text.strip(" ,;|"))
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"[0-9]{8,14}", digits):
        yield digits
