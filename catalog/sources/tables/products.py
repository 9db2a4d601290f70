"""Put together the rows of one product, as the exports of shops have them.

A product is one item, whatever its sizes. Where its variants have photos of their own, and these
differ, each variant's photo is an item.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from catalog.bundles.item_codes import holds_codes, with_codes
from catalog.sources.source import Remarks
from catalog.sources.tables.entries import Entry

OPTION = re.compile(
    r"option\d+ value|attribute \d+ value\(s\)|colou?r|size|pattern|material", re.IGNORECASE
)
# What one variant has does not hold for another that lacks it.
OWN = re.compile(r"variant .*|option.*|attribute \d.*|image .*|sku|id|gtin|ean|upc|mpn|barcode")


@dataclass(frozen=True)
class Member:
    """A row of a product: whether it is a variant, and which photos are the variant's own."""

    entry: Entry
    is_variant: bool
    own: tuple[str, ...] = ()
    general: tuple[str, ...] = ()


Products = dict[str, list[Member]]  # by key, in the order of the file


def put_together(products: Products, remarks: Remarks) -> Iterator[Entry]:
    """Yield an entry for each item of the products."""
    apart, unused = 0, 0
    for key, members in products.items():
        images = {member.own[0] for member in members if member.own}
        if len(images) < 2:
            yield _one_item(key, members)
            continue
        items = _items_of_variants(key, members)
        apart += 1
        shown = {place for item in items for place in item.places}
        unused += len({place for member in members for place in member.general} - shown)
        yield from items
    if apart:
        remarks.note(
            "variants with photos of their own are items of their own "
            f"(products: {apart}; photos of no variant, which were not used: {unused})"
        )


def _one_item(key: str, members: Sequence[Member]) -> Entry:
    skus = _values(members, "sku")
    fields = _merged(members)
    fields["sku"] = skus[0] if len(skus) == 1 else key
    if key == members[0].entry.where and not skus:  # a row with neither sku nor product
        del fields["sku"]
    photos = [place for member in members for place in (*member.general, *member.own)]
    return _entry(members, fields, photos)


def _items_of_variants(key: str, members: Sequence[Member]) -> list[Entry]:
    groups: dict[str, list[Member]] = {}
    for member in members:
        if member.is_variant:
            groups.setdefault(member.own[0] if member.own else "", []).append(member)
    images = {place for member in members for place in member.own}
    inherited = _merged(members)
    variants = [member for member in members if member.is_variant]
    items = []
    for number, (image, group) in enumerate(groups.items(), 1):
        fields = _merged(group)
        for name, value in inherited.items():
            if not OWN.fullmatch(name):
                fields.setdefault(name, value)
        label = " ".join(
            values[0]
            for name in dict.fromkeys(name for member in group for name in member.entry.fields)
            if OPTION.fullmatch(name)
            and len(values := _values(group, name)) == 1
            and len(_values(variants, name)) > 1
        )
        skus = _values(group, "sku")
        fields["sku"] = skus[0] if len(skus) == 1 else f"{key}-{label or number}".replace(" ", "-")
        title = fields.get("title", "")
        if title and label and label.casefold() not in title.casefold():
            fields["title"] = f"{title}, {label}"
        photos = [place for member in group for place in member.own]
        if not image:
            photos = [
                place for member in members for place in member.general if place not in images
            ]
        items.append(_entry(group, fields, photos))
    return items


def _merged(members: Sequence[Member]) -> dict[str, str]:
    """Return the first value of each field, all codes, and all that tells variants apart."""
    fields: dict[str, str] = {}
    for member in members:
        for name, value in member.entry.fields.items():
            if name in fields and holds_codes(name):
                fields[name] = with_codes(fields[name], value)
            fields.setdefault(name, value)
    variants = [member for member in members if member.is_variant]
    if len(variants) > 1:
        for name in fields:
            if OPTION.fullmatch(name):
                fields[name] = ", ".join(_values(variants, name))
        skus = _values(variants, "sku")
        if len(skus) > 1:
            fields["variant sku"] = ", ".join(skus)
    return fields


def _values(members: Sequence[Member], name: str) -> list[str]:
    found = (member.entry.fields.get(name) for member in members)
    return list(dict.fromkeys(value for value in found if value))


def _entry(members: Sequence[Member], fields: dict[str, str], photos: Iterable[str]) -> Entry:
    return Entry(members[0].entry.where, fields, {"": tuple(dict.fromkeys(photos))})
