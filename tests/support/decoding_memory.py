"""How much memory decoding a photo takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# VmHWM is of this program alone; getrusage would begin with the memory of the test process.
PROGRAM = """
import re, sys
from pathlib import Path
from catalog.core.photos import decode
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
data = Path(sys.argv[1]).read_bytes()
before = peak()
height, width, _ = decode(data, "x", enough=int(sys.argv[2]) or None).shape
print(width, height, (peak() - before) * 1024)
"""


def memory_of_decoding(file: Path, enough: int = 0) -> tuple[tuple[int, int], int]:
    """Width and height of the decoded photo, and the bytes of memory that it took at its peak."""
    command = [sys.executable, "-c", PROGRAM, str(file), str(enough)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    width, height, peak = map(int, printed.split())
    return (width, height), peak
