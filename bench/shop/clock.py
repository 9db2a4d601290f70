"""A time of day that leaps, for programs that run: so hours in which nothing happens take no time.

What happens takes as long as in life: the clocks that measure durations are not touched.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "tests" / "support" / "shifted_clock.c"


class LeapingClock:
    """The time of day of the programs that are started with `environment`.

    Args:
        folder: Where its files are put.
        start: The time of day now, in Unix seconds.
    """

    def __init__(self, folder: Path, start: float) -> None:
        library, file = folder / "clock.so", folder / "clock-shift"
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True)
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 8)
        self._shift_s = 0
        self.environment = {"CLOCK_SHIFT_FILE": str(file), "LD_PRELOAD": str(library)}
        self._set(round(start - time.time()))

    def now(self) -> float:
        """The time of day, in Unix seconds."""
        return time.time() + self._shift_s

    def leap_to(self, moment: float) -> None:
        """Let the time of day leap to a moment in Unix seconds; it never goes back."""
        self._set(self._shift_s + max(0, round(moment - self.now())))

    def _set(self, shift_s: int) -> None:
        self._shared[:] = struct.pack("=q", shift_s)
        self._shift_s = shift_s

    def applied(self) -> dict[str, str]:
        """This process's environment, with what makes a program use this clock."""
        return {**os.environ, **self.environment}
