"""Whether a service of this program runs, also where its process cannot be recognised.

A service has a `/proc` of its own, and in a container that may name another boot than the shell's.
The kernel's control groups are the same for both, and need neither a bus nor root.
"""

from __future__ import annotations

from pathlib import Path

# Where systemd's groups are: alone, or as older systems have them, beside others.
GROUPS = tuple(Path("/sys/fs/cgroup", part, "system.slice") for part in ("", "unified", "systemd"))
EDGE = "visual-search-edge.service"


def service_runs(unit: str = EDGE) -> bool:
    """Whether systemd runs a unit now: it has a control group as long as it has processes."""
    return any((folder / unit).is_dir() for folder in GROUPS)
