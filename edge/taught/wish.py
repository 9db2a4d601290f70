"""What the staff want to save of a thing: which item it is, or the fields of a new one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from edge.words import Words

LONGEST_TEXT = 200  # characters of a title and the like
LONGEST_SKU = 100


@dataclass(frozen=True)
class Wish:
    """What the staff want to save: an item of the catalogue, or the fields of a new one."""

    sku: str = ""
    title: str = ""
    price: str = ""
    location: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def wished_item(bundle: Bundle, taught_items: Iterable[Item], wish: Wish) -> tuple[Item, bool]:
    """Return the item that is wished, and whether the staff make it.

    Raises:
        ContentError: The wish names no item, gives another name to one, or has an unfit text.
    """
    sku = wish.sku.strip()
    title = " ".join(wish.title.split())
    in_catalogue = bundle.items.get(sku) if sku else None
    if in_catalogue is not None:
        if title not in ("", in_catalogue.title):
            raise ContentError(
                Words(
                    "The catalogue has the number {sku} already: “{title}”. Choose that item, or "
                    "give another number.",
                    sku=sku,
                    title=in_catalogue.title,
                )
            )
        return in_catalogue, False
    taught = next((item for item in taught_items if item.sku == sku), None)
    if taught is not None and title not in ("", taught.title):
        raise ContentError(
            Words(
                "The number {sku} was taught already: “{title}”. Choose that item, or give another "
                "number.",
                sku=sku,
                title=taught.title,
            )
        )
    title = title or (taught.title if taught else "")
    if not title:
        raise ContentError(Words("Give the thing a name, or choose an item of the catalogue."))
    _check_texts(sku, title, wish)
    item = Item(
        sku or f"own-{secrets.token_hex(4)}",
        title,
        wish.price.strip() or (taught.price if taught else ""),
        "",
        wish.location.strip() or (taught.location if taught else ""),
        (taught.attributes if taught else {}) | wish.attributes,
    )
    return item, True


def changed_item(bundle: Bundle, taught_items: Iterable[Item], item: Item, wish: Wish) -> Item:
    """Return a taught item with the title, price and place of a wish, and its sku where it has one.

    Raises:
        ContentError: The wish has no title, the number of another item, or an unfit text.
    """
    sku = wish.sku.strip() or item.sku
    title = " ".join(wish.title.split())
    if not title:
        raise ContentError(Words("Give the thing a name."))
    _check_texts(sku, title, wish)
    others = (other for other in taught_items if other.sku == sku != item.sku)
    other = (bundle.items.get(sku) if sku != item.sku else None) or next(others, None)
    if other is not None:
        raise ContentError(
            Words(
                "Another item has the number {sku} already: “{title}”.", sku=sku, title=other.title
            )
        )
    return replace(
        item, sku=sku, title=title, price=wish.price.strip(), location=wish.location.strip()
    )


def same_name(bundle: Bundle, taught_items: Iterable[Item], wish: Wish, of: str) -> Item | None:
    """Return an item that has the title of a wish already; None where that of the sku `of` has it.

    A to Z count as a to z.
    """
    title = " ".join(wish.title.split())
    if not title:
        return None
    taught = (item for item in taught_items if item.title.casefold() == title.casefold())
    known = (*bundle.items.titled(title), *taught)
    return None if any(item.sku == of for item in known) else next(iter(known), None)


def _check_texts(sku: str, title: str, wish: Wish) -> None:
    for text in (title, wish.price, wish.location, *wish.attributes.values()):
        if len(text) > LONGEST_TEXT or not _is_line(text):
            raise ContentError(
                Words("A text has at most {most} characters, in one line.", most=LONGEST_TEXT)
            )
    if len(sku) > LONGEST_SKU or not _is_line(sku) or re.search(r"[/\\]|^\.", sku):
        raise ContentError(
            Words(
                "A number (SKU) has at most {most} characters, no slashes and no dot at its "
                "beginning.",
                most=LONGEST_SKU,
            )
        )


def _is_line(text: str) -> bool:
    """Whether a text can stand in one line; what joins and directs letters may be in it."""
    return re.sub("[\u200c-\u200f]", "", text).isprintable()
