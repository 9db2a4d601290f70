"""What is on the shelf, for whoever only reads it: quick to import, since no bundle is opened."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.bundles.deployment_state import DeploymentState, read_deployment_state


class ShelfView:
    """The shelf in `folder`, read only; see `catalog.bundles.shelf`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = folder / "versions"

    def active(self) -> Path | None:
        """Return the folder of the active bundle, or None."""
        return self._target("active")

    def previous(self) -> Path | None:
        """Return the folder of the bundle that was active before, or None."""
        return self._target("previous")

    def activation(self) -> int | None:
        """Return a number that changes with every activation; None before the first."""
        try:
            return os.lstat(self.folder / "active").st_mtime_ns
        except OSError:
            return None

    def state(self) -> DeploymentState:
        """Read the deployment state."""
        return read_deployment_state(self.folder)

    def _target(self, name: str) -> Path | None:
        try:
            target = self.versions / Path(os.readlink(self.folder / name)).name
        except OSError:
            return None
        return target if target.is_dir() else None
