"""Set a fresh device up from its page: what the page may choose from, and what it chose."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

import cv2

from catalog.bundles.shelf import Shelf
from catalog.core.errors import ContentError, VisualSearchError
from catalog.core.settings import DeviceSettings, Section, config_file, device_id, load
from edge.appliance.waiting import START_LINK
from edge.cameras import CameraInfo, list_cameras
from edge.cameras.device import device_path
from edge.settings import EdgeSettings
from edge.setup import services
from edge.setup.first_catalogue import (
    DEEPEST,
    DEMONSTRATION,
    STICKS,
    Origin,
    beside_install,
    bundle_of,
    install_folders,
)
from edge.setup.label import Label
from edge.setup.owner_code_reading import code_in, pictures
from edge.setup.owner_of_catalogues import checked_owner, keep_root
from edge.shop_settings import ShopSettings
from edge.sighting import Image
from edge.web.interfaces import CameraChoice, SetupDone
from edge.web.page_settings import PageSettings
from sync.catalogues.status import is_running
from sync.cli.device import has_work
from sync.owner_code import KEYS
from sync.settings import OutboxSettings, SyncSettings

SETTINGS = (
    "edge.camera",
    "edge.lan",
    "edge.name",
    "edge.kiosk",
    "page.name",
    "page.language",
    *(f"sync.{key}" for key in KEYS),
    "outbox.transport",
    "outbox.endpoint",
)
MOST = 50  # catalogues
CODE_DIGITS = 8
PICTURE_WIDTH = 320  # pixels


class PageSetup:
    """Implements `edge.web.interfaces.DeviceSetup`. Any thread may use it.

    Args:
        config: The settings file that was named; None for the usual one.
        restart: Ends this process in order, so that it is started again; None where nothing would.
        fixed: What the command line decides of the settings, by their names.
        list_all: Lists the cameras of this machine.
        sticks: Where sticks are mounted.
    """

    def __init__(
        self,
        config: Path | None,
        restart: Callable[[], object] | None,
        fixed: Mapping[str, str] | None = None,
        list_all: Callable[[], list[CameraInfo]] = list_cameras,
        sticks: Iterable[Path] = STICKS,
    ) -> None:
        self.code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
        self._config, self._restart = config, restart
        self._device = load("device", DeviceSettings, config)
        self._shelf = Shelf(self._device.shelf)
        self._list_all, self._sticks = list_all, tuple(sticks)
        models: dict[str, type[Section]] = {
            "edge": EdgeSettings, "page": PageSettings, "sync": SyncSettings,
            "outbox": OutboxSettings,
        }  # fmt: skip
        self.settings = ShopSettings(config, self._device.state, models, SETTINGS, fixed or {})
        self._changing, self._looking = threading.Lock(), threading.Lock()

    def is_open(self) -> bool:
        """Whether the device has no catalogue yet."""
        return self._shelf.active() is None

    def cameras(self) -> list[CameraChoice]:
        """The cameras that are connected to this machine."""
        chosen = _device(load("edge", EdgeSettings, self._config).camera.strip())
        return [
            CameraChoice(
                f"/dev/v4l/by-id/{camera.stable_name}" if camera.stable_name else camera.path,
                camera.name,
                camera.problem,
                _device(camera.path) == chosen,
            )
            for camera in self._list_all()
        ]

    def picture(self, camera: str, width: int = PICTURE_WIDTH) -> bytes:
        """A picture of a camera, JPEG, at most so many pixels wide.

        Raises:
            ContentError: It gives none; says why.
        """
        settings = load("edge", EdgeSettings, self._config).camera_settings()
        with self._looking, closing(pictures(camera, settings)) as shown:
            picture = next(shown)
        scale = min(1.0, width / picture.shape[1])
        size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return cv2.imencode(".jpg", small)[1].tobytes()

    def owner_code(self, picture: Image) -> dict[str, str]:
        """The settings of the owner's code in a picture, BGR uint8 (h, w, 3), by their names.

        Returns:
            Those that it leaves out as they are by default, so that none of another code stays;
            nothing where there is no code at all.

        Raises:
            SettingsError: There is another code; says what is wrong with it.
        """
        found = code_in(picture)
        defaults = {key: SyncSettings.model_fields[key].default for key in KEYS if found}
        return {f"sync.{key}": value for key, value in (defaults | found).items()}

    def catalogues(self) -> list[str]:
        """What a catalogue comes of on the sticks that are mounted.

        All bundles, and the folders of photos and tables that lie beside `install`.
        """
        found = list(map(str, beside_install(install_folders(self._sticks))))
        for stick in self._sticks:
            for depth in range(1, DEEPEST + 1):
                with suppress(OSError):
                    found += [
                        str(manifest.parent)
                        for manifest in stick.glob(f"{'*/' * depth}manifest.json")
                    ]
        return sorted({*found})[:MOST]

    def set_up(self, values: Mapping[str, object], catalogue: str, root: str) -> SetupDone:
        """Write the settings, and make a catalogue the active one; then start again.

        Nothing stays changed where the catalogue cannot be used.

        Args:
            values: Settings by their names; others stay as they are.
            catalogue: One of `catalogues`, or "demonstration"; empty for none.
            root: The content of the catalogue owner's root.json; empty for none.

        Raises:
            VisualSearchError: Something of it cannot be used; says what.
        """
        with self._changing:
            if not self.is_open():
                raise ContentError("this device has a catalogue already")
            origin = self._origin(catalogue)
            present = load("sync", SyncSettings, self._config)
            values = checked_owner(values, root, present, self._device.folder)
            self._change(values, origin, root)
            restarts = self._restart is not None and self.settings.needs_restart
            if restarts and self._restart is not None:
                self._restart()
            label = self._label()
            return SetupDone(
                restarts,
                self._command_for_link(),
                self.settings.needs_restart,
                label.name,
                label.address,
                label.identity,
                label.code,
            )

    def _label(self) -> Label:
        edge = load("edge", EdgeSettings, self._config)
        page = load("page", PageSettings, self._config)
        return Label.of(edge, page, device_id(self._device.folder))

    def _origin(self, catalogue: str) -> Origin | None:
        """Where the catalogue comes from; None for none."""
        if not catalogue:
            return None
        if catalogue == DEMONSTRATION:
            return DEMONSTRATION
        if catalogue not in self.catalogues():
            raise ContentError(f"{catalogue}: no catalogue is there")
        return Path(catalogue)

    def _change(self, values: Mapping[str, object], catalogue: Origin | None, root: str) -> None:
        """Write the settings, and activate a catalogue; or leave both as they were."""
        changed = self.settings.change(values)
        try:
            file = config_file(self._config)
            text = file.read_text(encoding="utf-8") if file and file.exists() else ""
            with bundle_of(catalogue, self._device.folder, text, is_read=False) as bundle:
                if bundle is not None:
                    self._shelf.activate(bundle)
            if root:
                keep_root(root, self._device.folder)
        except BaseException:
            if changed:
                with suppress(VisualSearchError):  # somebody changed the file since
                    self.settings.undo()
            raise

    def _command_for_link(self) -> str:
        """What must be run for catalogues and reports; empty where it runs, or has no work."""
        if is_running(self._shelf) or not has_work(self._config):
            return ""
        if services.present():
            return START_LINK
        return "visual-search sync run"


def _device(source: str) -> str:
    """What a camera's source leads to; a device has a number, a path and links."""
    return os.path.realpath(device_path(source) or source)
