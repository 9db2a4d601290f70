"""What is next, once a bundle is the active one."""

from __future__ import annotations

from pathlib import Path

from catalog.core.errors import is_packaged
from catalog.core.services import EDGE, service_runs
from catalog.core.state import read_edge_state


def what_is_next(state: Path) -> str:
    """Say who shows the catalogue, or how to start it; `state` is the device's state folder."""
    appliance = read_edge_state(state)
    if appliance is not None and appliance.follows and (appliance.alive or service_runs()):
        return "the appliance runs, and takes this catalogue by itself"
    command = f"sudo systemctl start {EDGE}" if is_packaged() else "visual-search edge run"
    return f"next: {command}; where it runs already, it takes this catalogue by itself"
