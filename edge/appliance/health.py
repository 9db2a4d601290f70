"""How this process and its machine are: memory, temperature, room on the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

THERMAL = Path("/sys/class/thermal")


def rss_bytes() -> int:
    """Memory of this process that is resident, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def temperature_c(folder: Path = THERMAL) -> float | None:
    """The machine's hottest sensor in degrees Celsius; None where there is none."""
    found = []
    for file in folder.glob("thermal_zone*/temp"):
        try:
            found.append(int(file.read_text()) / 1000)
        except (OSError, ValueError):  # a sensor that sleeps
            continue
    plausible = [one for one in found if -40 < one < 150]
    return max(plausible, default=None)


def free_bytes(folder: Path) -> int:
    """Room on the disk that `folder` is on; 0 when it cannot be asked."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
