"""How this device is, as its shadow and its jobs report it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from catalog.bundles.shelf_view import ShelfView
from catalog.core.settings import DeviceSettings
from catalog.core.state import read_camera, read_edge_state, read_sync_state
from sync.fleet.desired import Desired, read_desired
from sync.fleet.shadow import StateDocument

MAX_MESSAGE = 300  # characters


class DeviceState:
    """Reads the state files of this device.

    Args:
        device: ``[device]``.
        channel: The channel in the settings.
        outbox_length: Counts the events that wait.
    """

    def __init__(
        self, device: DeviceSettings, channel: str, outbox_length: Callable[[], int]
    ) -> None:
        self._device = device
        self._channel = channel
        self._outbox_length = outbox_length
        self._software = version("visual-search")

    def __call__(self) -> StateDocument:
        """The state now; see docs/fleet.md.

        Raises:
            OutboxError: The outbox cannot be read.
        """
        shelf, sync = ShelfView(self._device.shelf), read_sync_state(self._device.state)
        active, deployed = shelf.active(), shelf.state()
        desired = read_desired(self._device.state) or Desired()
        pinned: str | int | None = deployed.pinned
        checked = sync.checked_at
        if deployed.pinned is not None and desired.pins(
            deployed.pinned, deployed.releases.get(deployed.pinned)
        ):
            pinned = desired.pin  # as it is desired, so that the shadow sees no difference
        return {
            "catalogue": active.name if active is not None else None,
            "release": deployed.releases.get(active.name) if active is not None else None,
            "newest": sync.newest.release if sync.newest is not None else None,
            "channel": desired.channel or self._channel,
            "pin": pinned,
            "software": self._software,
            "outcome": sync.outcome,
            "message": sync.message[:MAX_MESSAGE],
            "checked_at": checked.isoformat(timespec="seconds") if checked else None,
            "outbox": self._outbox_length(),
            "camera": self._camera(),
        }

    def _camera(self) -> str | None:
        edge = read_edge_state(self._device.state)
        if edge is None or not edge.alive:
            return "stopped"
        return read_camera(self._device.state)
