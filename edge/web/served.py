"""What the web app needs from the appliance that it shows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, Protocol

from catalog.bundles.items import Item, Photo
from edge.counters import Figures
from edge.latest import Latest
from edge.live import LivePicture
from edge.sighting import Box, Image, Sighting


@dataclass(frozen=True)
class CameraStatus:
    """How the camera is, since when (Unix seconds), which one, and why in a person's words."""

    state: Literal["starting", "online", "offline"]
    since: float
    name: str
    message: str = ""


class Catalogue(Protocol):
    """The open bundle, as far as the page asks it."""

    id: str

    def item(self, sku: str) -> Item | None:
        """The item with this stock keeping unit, or None."""
        ...

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """Full text search, best first."""
        ...

    def photos(self, sku: str) -> list[Photo]:
        """The photos of an item, none when it is unknown."""
        ...

    def thumbnail(self, number: int) -> bytes | None:
        """The JPEG of a photo's thumbnail, or None."""
        ...


class Device(Protocol):
    """The running appliance. All of it may be called from many threads at once."""

    latest: Latest
    picture: LivePicture
    stopping: threading.Event  # set when the appliance stops: all streams must end at once
    lan: bool  # whether the page is offered to the local network too

    @property
    def catalogue(self) -> Catalogue:
        """The bundle that is open now.

        Raises:
            VisualSearchError: None is open.
        """
        ...

    def camera(self) -> CameraStatus:
        """How the camera is now."""
        ...

    def trouble(self) -> str:
        """What keeps the device from recognizing, to follow "the device"; empty for nothing."""
        ...

    def status(self) -> dict[str, object]:
        """Version, bundle, counts, uptime and the like, ready to be JSON."""
        ...

    def figures(self) -> Figures:
        """What is counted."""
        ...

    def search(self, image: Image, box: Box | None) -> Sighting:
        """Search with a picture (BGR uint8, (h, w, 3)), or with its part in `box`.

        The sighting is not pushed into `latest`; its `look_jpeg` is set and its id unique.
        """
        ...
