"""Recognise the exports of shops, and gather the rows of each product in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from catalog.sources.tables.column_names import plain
from catalog.sources.tables.entries import Entry
from catalog.sources.tables.products import Member, Products

SHOPIFY = {"image src", "image position", "variant sku", "variant price", "option1 value"}
VARIANT_IMAGE = ("variant image", "variant image url")
NO_OPTION = "Default Title"  # in Shopify, of a product without variants


@dataclass(frozen=True)
class Export:
    """A shop's export.

    Attributes:
        name: Whose it is.
        rule: Which of its rows are one product.
        key: The column that names the product of a row, and the item of a row without a sku.
        gather: Returns the products of entries, which the key's field names.
    """

    name: str
    rule: str
    key: str
    gather: Callable[[Iterable[Entry], str], Products]


def find_export(names: Sequence[str]) -> Export | None:
    """Return which shop's export a table with these columns is, or None."""
    known = {plain(name): name for name in names if name}
    same = "the rows with the same {!r} are one product"
    handle = known.get("handle") or known.get("url handle")
    if handle and SHOPIFY & known.keys():
        key = handle
        return Export("Shopify", same.format(key), key, _gather_shopify)
    if {"id", "type", "name"} <= known.keys() and {"parent", "regular price"} & known.keys():
        rule = "variations are of their parent's product"
        return Export("WooCommerce", rule, known["id"], _gather_woocommerce)
    if "item group id" in known:
        key = known["item group id"]
        return Export("Google Merchant", same.format(key), key, _gather_merchant)
    return None


def _gather_shopify(entries: Iterable[Entry], key: str) -> Products:
    products: Products = {}
    for entry in entries:
        fields = entry.fields
        own = tuple(
            place
            for name, places in entry.photos.items()
            if plain(name) in VARIANT_IMAGE
            for place in places
        )
        general = tuple(
            place
            for name, places in entry.photos.items()
            if plain(name) not in VARIANT_IMAGE
            for place in places
        )
        if fields.get("option1 value") == NO_OPTION:
            fields = {name: text for name, text in fields.items() if not name.startswith("option1")}
        product = fields.get(key) or fields.get("sku") or entry.where
        has_sku = fields.get("sku", product) != product
        is_variant = has_sku or "option1 value" in fields or bool(own)
        member = Member(
            replace(entry, fields=fields), is_variant=is_variant, own=own, general=general
        )
        products.setdefault(product, []).append(member)
    return products


def _gather_woocommerce(entries: Iterable[Entry], key: str) -> Products:
    products: Products = {}
    parents: dict[str, str] = {}  # by what variations call their parent
    variations = []
    for entry in entries:
        if entry.fields.get("type", "").startswith("variation"):
            variations.append(entry)
            continue
        sku = entry.fields.get("sku", "")
        identity = entry.fields.get(key, sku)  # where there is no column of skus, the ids are taken
        product = sku or identity or entry.where
        parents |= {name: product for name in (sku, f"id:{identity}") if name}
        products.setdefault(product, []).append(
            Member(entry, is_variant=False, general=entry.places)
        )
    for entry in variations:
        fields = entry.fields
        parent = fields.get("parent", "")
        product = (
            parents.get(parent) or parent or fields.get("sku") or fields.get(key) or entry.where
        )
        products.setdefault(product, []).append(Member(entry, is_variant=True, own=entry.places))
    return products


def _gather_merchant(entries: Iterable[Entry], key: str) -> Products:
    products: Products = {}
    for entry in entries:
        product = entry.fields.get(key) or entry.fields.get("sku") or entry.where
        products.setdefault(product, []).append(Member(entry, is_variant=True, own=entry.places))
    return products
