"""Find amounts in texts, such as "0,5 l", so that they can be compared with others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# How many millilitres, grams or pieces each unit is.
_UNITS = {
    **{"ml": ("ml", 1), "cl": ("ml", 10), "dl": ("ml", 100), "l": ("ml", 1000)},
    **{"lt": ("ml", 1000), "ltr": ("ml", 1000), "liter": ("ml", 1000), "litre": ("ml", 1000)},
    **{"毫升": ("ml", 1), "升": ("ml", 1000), "мл": ("ml", 1), "л": ("ml", 1000)},
    **{"g": ("g", 1), "gr": ("g", 1), "kg": ("g", 1000), "克": ("g", 1), "千克": ("g", 1000)},
    **{"公斤": ("g", 1000), "г": ("g", 1), "кг": ("g", 1000)},  # noqa: RUF001
    **{"oz": ("oz", 1), "lb": ("oz", 16), "%": ("%", 1)},
    **dict.fromkeys(("pcs", "pieces", "st", "stück", "stk", "pack", "片", "个", "枚"), ("x", 1)),
}
_NAMES = "|".join(sorted(_UNITS, key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?<![\w.,])(\d{{1,5}}(?:[.,]\d{{1,3}})?)\s?({_NAMES})"
    r"(?![^\W\d_])",
    re.IGNORECASE,
)
MEASURES = ("ml", "g", "x")  # of these an item has one amount; percentages may be of anything


@dataclass(frozen=True)
class Amount:
    """An amount in millilitres, grams, ounces, pieces (x) or per cent."""

    unit: str
    number: float

    @property
    def word(self) -> str:
        """The amount as a word: "500ml" for 0.5 l, for 50 cl and for 500 ml."""
        return f"{self.number:g}{self.unit}"


def amounts(texts: Iterable[str]) -> frozenset[Amount]:
    """Return the amounts in some texts."""
    return frozenset(
        Amount(unit, round(float(number.replace(",", ".")) * times, 3))
        for text in texts
        for number, name in _AMOUNT.findall(unicodedata.normalize("NFKC", text))
        for unit, times in (_UNITS[name.lower()],)
    )


def contradict(some: Iterable[Amount], others: Iterable[Amount]) -> bool:
    """Return whether both name an amount of one kind, and none of it is the same."""
    found, wanted = set(some), set(others)
    return any(
        {amount for amount in found if amount.unit == unit}.isdisjoint(wanted)
        for unit in MEASURES
        if any(amount.unit == unit for amount in found)
        and any(amount.unit == unit for amount in wanted)
    )
