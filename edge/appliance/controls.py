"""What staff do with the whole device: check for a catalogue, go back, read the log, restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.core.errors import ContentError, SettingsError
from catalog.core.settings import Section
from edge.appliance.supervisor import supervisor
from edge.log_lines import LogLines
from edge.settings import EdgeSettings
from edge.shop_settings import ShopSettings
from edge.web.page_settings import PageSettings
from sync.catalogues import check_request
from sync.catalogues.status import is_running

if TYPE_CHECKING:
    from sync.catalogues.follower import ChannelFollower

SETTINGS = (  # those that a shop changes on its page
    "edge.camera",
    "page.name",
    "page.welcome",
    "page.accent",
    "page.language",
    "page.dim",
    "edge.foreign_share",
    "edge.keep_looks",
)


class Controls:
    """Implements `edge.web.interfaces.DeviceControls`. Any thread may use it.

    Args:
        config: The settings file.
        state_folder: The state folder.
        log_lines: The log of this process.
        follows: Whether the device shows the catalogue of its shelf.
        fixed: What the command line decides of the settings, by their names.

    Raises:
        SettingsError: A setting is wrong.
    """

    def __init__(
        self,
        config: Path | None,
        state_folder: Path,
        log_lines: LogLines,
        *,
        follows: bool,
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self.restarts = False  # True once a restart was asked for
        self.supervisor = supervisor()
        self._config, self._state_folder = config, state_folder
        self._log_lines, self._follows = log_lines, follows
        models: dict[str, type[Section]] = {"edge": EdgeSettings, "page": PageSettings}
        self.settings = ShopSettings(config, state_folder, models, SETTINGS, fixed or {})
        self._check: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def log_lines(self) -> Sequence[str]:
        """The last lines of the log, the oldest first."""
        return self._log_lines.lines()

    def sync_now(self) -> str:
        """Check for a newer catalogue now; says how.

        Raises:
            SettingsError: Nothing says where catalogues come from.
            ShelfError: The state folder cannot be written.
        """
        follower = self._follower()
        if not follower.settings.source:
            raise SettingsError(
                "no source of catalogues is set: [sync] source in the settings names it"
            )
        if is_running(follower.shelf):
            check_request.ask(self._state_folder)
            return "the device looks for a newer catalogue"
        with self._lock:
            if self._check is None or self._check.poll() is not None:
                self._check = subprocess.Popen(
                    self._command("sync", "once"), stdin=subprocess.DEVNULL
                )
        return "'sync run' does not run on this device; it looks for a newer catalogue once"

    def go_back(self) -> str:
        """Make the catalogue before the active one active again; says which one was left.

        Raises:
            ShelfError: There is none to go back to, or the shelf cannot be changed.
        """
        left = self._follower().roll_back()
        active = left.active.bundle if left.active is not None else "none"
        return f"the catalogue is now {active}; a newer one replaces it when it is published"

    def follow_again(self) -> str:
        """End a going back or a pin.

        Raises:
            ShelfError: The shelf cannot be changed.
        """
        self._follower().unpin()
        return "the device follows its channel again"

    def restart(self) -> str:
        """End this process in order, so that its supervisor starts it again.

        Raises:
            ContentError: There is no supervisor.
        """
        if not self.supervisor:
            raise ContentError(
                "nothing would start this program again, because no service runs it; "
                "end it on the device and start it there"
            )
        self.restarts = True
        os.kill(os.getpid(), signal.SIGTERM)
        return f"the device ends now, and {self.supervisor} starts it again"

    def _follower(self) -> ChannelFollower:
        if not self._follows:
            raise SettingsError("this device was started with a bundle of its own, and stays there")
        # Imported here: it brings all that verifies signatures, and staff seldom ask for it.
        from sync.catalogues.follower import ChannelFollower

        return ChannelFollower.from_settings(self._config)

    def _command(self, *words: str) -> list[str]:
        config = ["--config", str(self._config)] if self._config is not None else []
        # -P: no module may come from the current folder.
        return [sys.executable, "-P", "-m", "visual_search", *config, *words]
