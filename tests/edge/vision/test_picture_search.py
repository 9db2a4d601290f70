"""What a code on a thing says where it names an item, and where it names none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from catalog.bundles.bundle import Bundle
from catalog.bundles.match import Match
from edge.vision.codes import Code
from edge.vision.picture_search import _match_by_code


@pytest.mark.parametrize(("photos", "photo"), [([], None), ([7, 9], 7)])
def test_an_item_that_a_code_names_is_certain(photos: list[int], photo: int | None) -> None:
    items = {"4006381333931": SimpleNamespace(sku="pen")}
    stand_in = SimpleNamespace(
        with_code=lambda spellings: next(
            (items[text] for text in spellings if text in items), None
        ),
        photos=lambda sku: [SimpleNamespace(number=number) for number in photos],
    )
    bundle = cast("Bundle", stand_in)
    assert _match_by_code(bundle, Code("EAN13", "4006381333931")) == Match("pen", photo, 1.0, 1.0)
    assert _match_by_code(bundle, Code("EAN13", "4006381333948")) is None
