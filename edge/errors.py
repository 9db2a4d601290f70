"""The errors of the device, below the root in `catalog.core.errors`."""

from __future__ import annotations

from catalog.core.errors import SurroundingsError


class CameraError(SurroundingsError):
    """A camera that cannot be opened or read."""


class NoCatalogueError(SurroundingsError):
    """No catalogue is open, so nothing can be searched; says what the device waits for."""


class PortError(SurroundingsError):
    """An address that cannot be listened on."""
