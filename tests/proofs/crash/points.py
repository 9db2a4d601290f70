"""Where a process can die: at every system call that it makes on its files.

strace counts a process' calls by name and kills, or stops, it as it enters the nth call of a
name (strace(1), ``inject``). Only the main thread is followed; so threads of servers and the
gate's child stay out of the count.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,creat,write,pwrite64,writev,read,pread64,readv,fsync,fdatasync,sync_file_range,"
    "ftruncate,truncate,fallocate,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,"
    "symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,utimensat,"
    "flock,fcntl,close"
)
LINE = re.compile(r"^(?:\d+ +)?([a-z_0-9]+)\((.*)$")
SECONDS = 120  # a run that takes longer is a failure of its own


@dataclass(frozen=True)
class Point:
    """The `when`th call of `name` that the process makes; `on` is what it touched there."""

    name: str
    when: int
    on: str

    def __str__(self) -> str:
        return f"{self.name} {self.when} ({self.on})"


class StraceError(RuntimeError):
    """strace could not do what it was asked for."""


def record(command: Sequence[str], folder: Path, environment: dict[str, str]) -> list[Point]:
    """Run `command` to its end; return its calls that touch `folder`, in order."""
    with tempfile.NamedTemporaryFile("r", prefix="calls") as log:
        done = subprocess.run(
            ["strace", "-y", "-s", "0", "-o", log.name, "-e", f"trace={CALLS}", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode != 0:
            raise StraceError(f"{command}: {done.stderr.strip() or done.stdout.strip()}")
        lines = log.read().splitlines()
    counts: Counter[str] = Counter()
    points = []
    touched = re.compile(re.escape(str(folder)) + r'[^">,]*')
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        name = match.group(1)
        counts[name] += 1
        found = touched.search(match.group(2))
        if found is not None:
            points.append(Point(name, counts[name], os.path.relpath(found.group(), folder)))
    return points


def kill_at(point: Point, command: Sequence[str], environment: dict[str, str]) -> bool:
    """Run `command` and kill it as it enters `point`; False when it ended before."""
    done = subprocess.run(
        [*_strace(point, "KILL"), *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return done.returncode == -signal.SIGKILL or done.returncode == 128 + signal.SIGKILL


def stop_at(
    point: Point, command: Sequence[str], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Start `command`, stopped for good as it enters `point`, or ended; strace is returned.

    Whoever called must `end` it.
    """
    return subprocess.Popen(
        [*_strace(point, "STOP"), *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def is_stopped(strace: subprocess.Popen[bytes]) -> bool:
    """Whether the traced process has reached its point."""
    for child in _children(strace.pid):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        # "t" is also a process that strace is just looking at: believe it when SIGSTOP came.
        if state in "Tt" and _is_held(child):
            return True
    return False


def end(strace: subprocess.Popen[bytes]) -> None:
    """Kill the traced process, all it started, and strace."""
    for child in _children(strace.pid):
        _kill(child)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(strace.pid, signal.SIGKILL)
    strace.wait(10)


def _strace(point: Point, name: str) -> list[str]:
    inject = f"inject={point.name}:signal={name}:when={point.when}"
    return ["strace", "-o", "/dev/null", "-e", f"trace={point.name}", "-e", inject]


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _is_held(pid: int) -> bool:
    """Whether the process stays in its stop: it used no time between two glances."""

    def switches() -> str:
        status = Path(f"/proc/{pid}/status").read_text()
        return "".join(line for line in status.splitlines() if "ctxt_switches" in line)

    try:
        before = switches()
        time.sleep(0.1)
        return switches() == before
    except OSError:
        return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
