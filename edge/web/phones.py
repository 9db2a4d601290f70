"""Where a visitor's phone can open an item: on the shop's website, or on this device's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, Response, request

from catalog.bundles.items import Item
from edge.web.addresses import address_for_phones
from edge.web.interfaces import ServedAppliance
from edge.web.own_address import code_picture
from edge.web.problems import ProblemError

if TYPE_CHECKING:
    from edge.web.announcement import Announcement

LONGEST_ADDRESS = 1000  # letters; a QR code with more is too fine for a phone


def item_addresses(announcement: Announcement | None) -> Callable[[Item], str]:
    """A function that gives an item's address for phones; empty where it has none.

    Args:
        announcement: Knows the page's addresses; None where the page is for this machine alone.
    """

    def item_address(item: Item) -> str:
        if item.url.lower().startswith(("http://", "https://")):
            address = item.url
        else:
            page = address_for_phones(announcement.addresses()) if announcement else ""
            address = f"{page}?item={quote(item.sku, safe='')}" if page else ""
        return address if len(address) <= LONGEST_ADDRESS else ""

    return item_address


def add_item_codes(
    app: Flask, appliance: ServedAppliance, item_address: Callable[[Item], str]
) -> None:
    """Serve a QR code of an item's address for phones."""

    def item_code() -> Response:
        sku = request.args.get("sku", "")
        item = appliance.catalogue.item(sku)
        address = item_address(item) if item is not None else ""
        if not address:
            raise ProblemError(404, f"There is no address for phones of the item {sku[:100]!r}.")
        return Response(code_picture(address), content_type="image/svg+xml")

    app.add_url_rule("/item.svg", view_func=item_code)
