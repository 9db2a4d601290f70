"""The interfaces through which the web app sees the appliance and its catalogue."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from catalog.bundles.items import Item, Photo
from catalog.core.box import Box
from edge.counters import CounterSnapshot
from edge.history.missing import Group
from edge.history.recorder import HistoryRecorder
from edge.latest import Latest
from edge.live import LivePicture
from edge.shop_settings import ShopSettings
from edge.sighting import Image, Judgement, Said, Sighting
from edge.taught.taught import Taught


@dataclass(frozen=True)
class CameraStatus:
    """How the camera is.

    Attributes:
        state: Whether pictures come.
        since: Since when, in Unix seconds.
        name: Which camera it is.
        message: Why it is offline, or what else is wrong with it, for a person; empty where all
            is well.
    """

    state: Literal["starting", "online", "offline"]
    since: float
    name: str
    message: str = ""


class ServedCatalogue(Protocol):
    """The open bundle, as the web app sees it."""

    id: str

    def item(self, sku: str) -> Item | None:
        """The item with this stock keeping unit, or None."""
        ...

    def find(self, text: str, limit: int = 20) -> list[Item]:
        """The items that a full text search finds, best first."""
        ...

    def photos(self, sku: str) -> list[Photo]:
        """The photos of an item; none where the catalogue has no such item."""
        ...

    def similar(self, sku: str, count: int) -> list[Item]:
        """The items whose photos are most like those of an item, best first."""
        ...

    def thumbnail(self, number: int) -> bytes | None:
        """The JPEG of a photo's thumbnail, or None."""
        ...


class ServedAppliance(Protocol):
    """The running appliance, as the web app sees it. Many threads may use it at once."""

    latest: Latest
    picture: LivePicture
    stopping: threading.Event  # set when the appliance stops: all streams must end at once
    lan: bool  # whether the page is offered to the local network too
    taught: Taught | None  # what the staff taught; None where they cannot
    history: HistoryRecorder | None  # what was seen; None where it cannot be kept

    @property
    def catalogue(self) -> ServedCatalogue:
        """The bundle that is open now.

        Raises:
            VisualSearchError: No bundle is open.
        """
        ...

    def camera(self) -> CameraStatus:
        """How the camera is now."""
        ...

    def missing(self) -> list[Group]:
        """What people showed and the device could not name, the most often asked for first."""
        ...

    def look_again(self) -> None:
        """Look anew at what lies before the camera."""
        ...

    def open_camera_again(self) -> None:
        """Close the camera, and open it again at once."""
        ...

    def trouble(self) -> str:
        """Why no frame is recognized now, to follow "the device"; empty where all is well."""
        ...

    def status(self) -> dict[str, object]:
        """Version, bundle, counts, uptime and the like, ready to be JSON."""
        ...

    def counters(self) -> CounterSnapshot:
        """Everything that is counted."""
        ...

    def search(self, image: Image, box: Box | None) -> Sighting:
        """Search with a picture, BGR uint8 (h, w, 3), or with its part in `box`.

        The sighting is not added to `latest`. Its `crop_jpeg` is set and its id is unique.
        """
        ...

    def judge(self, judgement: Judgement) -> None:
        """Store what staff says about a sighting, and learn from it.

        Raises:
            VisualSearchError: It cannot be stored.
        """
        ...

    def said_of(self, sightings: Sequence[str] | None) -> dict[str, Said]:
        """What staff said of some sightings, by their ids; of all, where None is given."""
        ...

    def choose(self, sighting: Sighting, sku: str) -> None:
        """Note that a visitor chose an item of those shown, and learn a little from it."""
        ...


@dataclass(frozen=True)
class CameraChoice:
    """A camera that may be chosen.

    Attributes:
        source: What `[edge] camera` is then.
        name: What it calls itself.
        problem: Why it cannot be asked; empty where it can.
        current: Whether `[edge] camera` names it already, by whichever of its names.
    """

    source: str
    name: str
    problem: str = ""
    current: bool = False


@dataclass(frozen=True)
class SetupDone:
    """What follows when a device was set up.

    Attributes:
        restarts: Whether it starts again now.
        command: What must be run on it for catalogues and reports; empty for nothing.
        needs_restart: Whether it must be started again for all of it to count.
        name, address, identity: What stands on its label; see `edge.setup.label.Label`.
        code: The QR code of the address, a data URI; empty where only the device opens its page.
    """

    restarts: bool
    command: str
    needs_restart: bool
    name: str
    address: str
    identity: str
    code: str


class DeviceSetup(Protocol):
    """What sets a fresh device up from its page. Many threads may use it at once.

    Attributes:
        code: Sets the first PIN from another machine; printed on the device's console.
        settings: The settings that are chosen.
    """

    code: str
    settings: ShopSettings

    def is_open(self) -> bool:
        """Whether the device has no catalogue yet."""
        ...

    def cameras(self) -> Sequence[CameraChoice]:
        """The cameras that are connected."""
        ...

    def picture(self, camera: str, width: int = ...) -> bytes:
        """A picture of a camera, JPEG, at most so many pixels wide.

        Raises:
            VisualSearchError: It gives none; says why.
        """
        ...

    def owner_code(self, picture: Image) -> Mapping[str, str]:
        """The settings that the owner's code in a picture, BGR uint8 (h, w, 3), holds; none there.

        Raises:
            VisualSearchError: There is another code; says what is wrong with it.
        """
        ...

    def catalogues(self) -> Sequence[str]:
        """The folders of the catalogues on the sticks that are mounted."""
        ...

    def set_up(self, values: Mapping[str, object], catalogue: str, root: str) -> SetupDone:
        """Write the settings and activate the catalogue; `root` is its owner's root.json.

        The catalogue is one of `catalogues`, "demonstration", or empty for none.

        Raises:
            VisualSearchError: Something of it cannot be used; says what.
        """
        ...


class DeviceControls(Protocol):
    """What staff do with the whole device. Many threads may use it at once.

    Each method but `log_lines` returns what was done, as a sentence, and raises a
    `VisualSearchError` that says why it cannot be done.
    """

    @property
    def settings(self) -> ShopSettings:
        """The settings that a shop changes."""
        ...

    @property
    def supervisor(self) -> str:
        """The program that starts this one again when it ends; empty where none does."""
        ...

    def log_lines(self) -> Sequence[str]:
        """The last lines of the log, the oldest first."""
        ...

    def sync_now(self) -> str:
        """Check for a newer catalogue now."""
        ...

    def go_back(self) -> str:
        """Make the catalogue before the active one active again."""
        ...

    def follow_again(self) -> str:
        """End a going back."""
        ...

    def restart(self) -> str:
        """End this process in order, so that it is started again."""
        ...
