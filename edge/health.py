"""How this process and its machine are: memory, temperature, room on the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LEAST_ROOM = 10**9  # bytes on the disk; a new catalogue needs it beside the old
THERMAL = Path("/sys/class/thermal")
# What a Raspberry Pi's firmware says: a hexadecimal number of bits.
FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
WEAK_POWER, SLOWED = 0x1, 0x2 | 0x4 | 0x8  # now: too little voltage; a lower clock for a reason
PROCESSOR_COOLERS = ("Processor", "cpufreq", "thermal-cpufreq")  # how their types begin


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


def is_slowed(thermal: Path = THERMAL, firmware: Path = FIRMWARE) -> bool:
    """Whether the processor runs slower than it could, because it is hot or lacks power."""
    if _firmware_bits(firmware) & SLOWED:
        return True
    for cooler in thermal.glob("cooling_device*"):
        try:
            kind = (cooler / "type").read_text().strip()
            if kind.startswith(PROCESSOR_COOLERS) and int((cooler / "cur_state").read_text()) > 0:
                return True
        except (OSError, ValueError):  # a driver that does not answer
            continue
    return False


def has_weak_power(firmware: Path = FIRMWARE) -> bool:
    """Whether the voltage is too low now, as far as the machine measures it."""
    return bool(_firmware_bits(firmware) & WEAK_POWER)


def _firmware_bits(file: Path) -> int:
    try:
        return int(file.read_text(), 16)
    except (OSError, ValueError):  # no Raspberry Pi
        return 0


def free_bytes(folder: Path) -> int:
    """Free room on the disk of `folder`, in bytes; 0 where it cannot be read."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
