"""Find numbers that a spreadsheet program has ruined, and product numbers that are mistyped."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from catalog.sources.source import Remarks
from catalog.sources.tables.column_names import plain
from catalog.sources.tables.entries import Entry

SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
DIGITS = re.compile(r"[0-9]{7,14}")
GTIN_LENGTHS = (8, 12, 13, 14)
GTIN_NAMES = frozenset(
    "gtin|ean|ean13|upc|barcode|bar code|variant barcode|ean code|upc code|gtin ean|isbn"
    "|gtin upc ean or isbn|strichcode|code barres|codigo de barras|条码|条形码".split("|")
)
ENOUGH = 2  # numbers of a column that is not called GTIN
SHARE = 0.9  # of the numbers have a right check digit where they are GTINs
MISTYPED_SHARE = (
    0.5  # of a column called GTIN that has right ones; others hold the owner's own codes
)
MOST_NAMED = 20

Numbers = list[tuple[str, str]]  # where each is, and what is left of it


def watch(entries: Iterable[Entry], remarks: Remarks) -> Iterator[Entry]:
    """Pass entries on; after the last one, warn of numbers that are likely wrong."""
    shortened: dict[str, Numbers] = defaultdict(list)
    numbers: dict[str, Numbers] = defaultdict(list)
    owners: dict[str, dict[str, str]] = defaultdict(dict)  # where each item has a product number
    for entry in entries:
        for name, value in entry.fields.items():
            if name == "sku" or plain(name) in GTIN_NAMES:
                if SHORTENED.fullmatch(value):
                    shortened[name].append((entry.where, value))
                elif DIGITS.fullmatch(value):
                    numbers[name].append((entry.where, value))
                    if name != "sku":
                        owners[value].setdefault(entry.fields.get("sku", ""), entry.where)
        yield entry
    for name, found in shortened.items():
        remarks.warn(
            f"a spreadsheet program shortened {len(found)} numbers of {name!r}, "
            f"and their last digits are lost ({_named(found)}); format the column as text and "
            "enter them again"
        )
    for name, found in numbers.items():
        if lost := _without_zeros(name, found):
            remarks.warn(
                f"a spreadsheet program took the leading zeros of {len(lost)} numbers of {name!r}, "
                f"as their check digits show ({_named(lost)}); format the column as text and enter "
                "them again"
            )
        if mistyped := _mistyped(name, found):
            remarks.warn(
                f"{len(mistyped)} numbers of {name!r} have a wrong check digit, so no barcode can "
                f"be the same ({_named(mistyped)}); enter them again from the package"
            )
    shared = [(", ".join(at.values()), number) for number, at in owners.items() if len(at) > 1]
    if shared:
        remarks.warn(
            f"{len(shared)} product numbers belong to several items, so that a barcode names the "
            f"first of them ({_named(shared)})"
        )


def _mistyped(name: str, found: Numbers) -> Numbers:
    """Return the numbers whose check digit is wrong, in a column of GTINs."""
    whole = [pair for pair in found if len(pair[1]) in GTIN_LENGTHS]
    wrong = [pair for pair in whole if not is_gtin(pair[1])]
    is_column_of_gtins = plain(name) in GTIN_NAMES and len(wrong) <= MISTYPED_SHARE * len(whole)
    return wrong if is_column_of_gtins else []


def _without_zeros(name: str, found: Numbers) -> Numbers:
    """Return the numbers that lack zeros, with the number that each was."""
    if plain(name) not in GTIN_NAMES and len(found) < ENOUGH:
        return []
    right = [(where, number) for where, number in found if is_gtin(number)]
    if len(right) < SHARE * len(found):
        return []
    return [
        (where, f"{number}, which was {number.zfill(length)}")
        for where, number in right
        if (length := next(length for length in GTIN_LENGTHS if length >= len(number)))
        != len(number)
    ]


def is_gtin(number: str) -> bool:
    """Return whether the last digit is the check digit of the others, as in a GTIN."""
    weighted = (int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(number)))
    return sum(weighted) % 10 == 0


def _named(found: Numbers) -> str:
    named = ", ".join(f"{where}: {value}" for where, value in found[:MOST_NAMED])
    more = len(found) - MOST_NAMED
    return named + (f", and {more} more" if more > 0 else "")
