"""The label of a device, to be printed: its name, the page's address and QR code, its identity."""

from __future__ import annotations

import html
from dataclasses import dataclass
from urllib.parse import urlsplit

import segno

from edge.settings import EdgeSettings
from edge.web.page_settings import PageSettings


@dataclass(frozen=True)
class Label:
    """What stands on the label.

    Attributes:
        name: The shop's, or the device's in the network.
        address: Where the page is opened.
        identity: The device's id.
    """

    name: str
    address: str
    identity: str

    @classmethod
    def of(cls, edge: EdgeSettings, page: PageSettings, identity: str) -> Label:
        """The label of the device with these settings."""
        scheme = "https" if edge.tls else "http"
        host = f"{edge.network_name}.local" if edge.lan else "localhost"
        address = f"{scheme}://{host}:{edge.port}{edge.prefix}/"
        return cls(page.name or edge.network_name, address, identity)

    @property
    def code(self) -> str:
        """The QR code, a data URI; empty where only the device opens the page: phones read it."""
        if urlsplit(self.address).hostname == "localhost":
            return ""
        return segno.make_qr(self.address).svg_data_uri(scale=4)

    def page(self) -> str:
        """A page to print and stick onto the device, HTML.

        It has an address only where others open it: on the label "localhost" leads nowhere.
        """
        code, address = self.code, html.escape(self.address)
        way = f'<img src="{code}" alt=""><p>{address}</p>' if code else ""
        return (
            '<!doctype html><meta charset="utf-8"><title>Label</title>'
            "<style>body{font:14pt sans-serif;width:8cm;margin:1cm}p{margin:.2em 0}"
            "small{font-size:7pt;color:#444}</style>"
            f"<h1>{html.escape(self.name)}</h1>{way}"
            f"<small>{html.escape(self.identity)}</small>\n"
        )
