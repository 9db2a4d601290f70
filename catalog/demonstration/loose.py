"""What is sold without a package: produce and tools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Good:
    """A thing without a label; `colours` and `measures` are as its shape's builder wants."""

    title: str
    kind: str
    shape: str
    price: float  # euros
    amount: str
    colours: tuple[str, ...]
    measures: tuple[float, ...] = ()


GOODS: tuple[Good, ...] = ()
