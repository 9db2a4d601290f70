"""The routes that tell where other devices can open the page, and show that as a QR code."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify

from edge.web.addresses import address_for_phones
from edge.web.problems import ProblemError

if TYPE_CHECKING:
    from edge.web.announcement import Announcement


def add_own_address(app: Flask, announcement: Announcement | None, *, show: bool) -> None:
    """Serve the addresses, and the QR code of the one that most phones can open.

    Args:
        app: The application.
        announcement: Knows the addresses; None where the page is for this machine alone.
        show: Whether the device's own screen shows them.
    """

    def addresses() -> list[str]:
        return announcement.addresses() if announcement is not None else []

    def own_address() -> Response:
        return jsonify({"addresses": addresses(), "show": show and announcement is not None})

    def own_address_code() -> Response:
        address = address_for_phones(addresses())
        if not address:
            raise ProblemError(
                404, "No other device can open this page; run it with --lan in a network."
            )
        return Response(code_picture(address), content_type="image/svg+xml")

    app.add_url_rule("/api/address", view_func=own_address)
    app.add_url_rule("/address.svg", view_func=own_address_code)


@lru_cache(16)  # the page's own stays the same until the network changes
def code_picture(text: str) -> bytes:
    """A QR code as an SVG picture, with the margin that readers need."""
    import segno  # here, because only a page for the LAN needs it

    picture = io.BytesIO()
    segno.make_qr(text).save(picture, kind="svg", light="white", omitsize=True, xmldecl=False)
    return picture.getvalue()
