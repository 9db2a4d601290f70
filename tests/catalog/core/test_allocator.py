"""The allocator of a process that runs for long."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.core import allocator, mapped_files

LIMIT_S = 60

# Threads fill memory with small blocks and free all but one in a hundred, so that the heap's end
# stays in use. Unbounded, the process keeps what was freed.
PROGRAM = """
import sys, threading, time
from pathlib import Path
from catalog.core import allocator

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

def work():
    blocks = [bytes(4000) for _ in range(5000)]
    kept.extend(blocks[::100])
    filled.wait()

if sys.argv[1] == "bounded":
    allocator.TRIM_INTERVAL_S = 0.05
    allocator.bound_memory()
    allocator.bound_memory()
    assert [thread.name for thread in threading.enumerate()].count("allocator") == 1
kept, before = [], resident()
filled = threading.Barrier(4)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident() - before)
deadline = time.monotonic() + (LIMIT if sys.argv[1] == "bounded" else 0.5)
while resident() - before > 20 and time.monotonic() < deadline:
    time.sleep(0.01)
print(resident() - before)
""".replace("LIMIT", str(LIMIT_S))


def left_over(how: str) -> float:
    """MB that a process keeps of the 80 MB that its threads freed."""
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return float(done.stdout.splitlines()[-1])


def test_freed_memory_goes_back_to_the_system() -> None:
    assert left_over("bounded") < 20 < left_over("unbounded")


class Trimmed(ctypes.CDLL):
    """The C library; it ends the allocator's thread with an error when it trims the third time."""

    trims = 0

    def malloc_trim(self, rest: int) -> None:
        self.trims += 1
        if self.trims == 3:
            raise InterruptedError


@pytest.mark.parametrize("absent", ["MAPPINGS", "SIZES"])
def test_memory_is_trimmed_where_the_system_does_not_say_what_is_mapped(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("TRIM_INTERVAL_S", "RELEASE_INTERVAL_S", "MOST_MAPPED"):
        monkeypatch.setattr(allocator, limit, 0)
    monkeypatch.setattr(mapped_files, absent, tmp_path / "absent")
    with pytest.raises(InterruptedError):
        allocator._give_back(Trimmed(None))
