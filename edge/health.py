"""How this process and its machine are: memory, temperature, room on the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

THERMAL = Path("/sys/class/thermal")


def rss_bytes() -> int:
    """Resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def temperature_c(folder: Path = THERMAL) -> float | None:
    """The highest temperature of the machine's sensors, in degrees Celsius; None without any."""
    temperatures = []
    for file in folder.glob("thermal_zone*/temp"):
        try:
            temperatures.append(int(file.read_text()) / 1000)
        except (OSError, ValueError):  # a sensor that is asleep gives no number
            continue
    plausible = [temperature for temperature in temperatures if -40 < temperature < 150]
    return max(plausible, default=None)


def free_bytes(folder: Path) -> int:
    """Free room on the disk of `folder`, in bytes; 0 where it cannot be read."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
