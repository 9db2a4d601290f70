"""Kill a publish at its system calls and look at what it leaves.

    python -m tests.crash_publish BUNDLE [POINTS]

strace sends SIGKILL at the chosen call. Each time: a device finds the old release or all of
the new one, and the next publish goes through.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from catalog.bundle import file_digest, parse_manifest
from sync.keys import Keys
from sync.publish import Publisher
from sync.store import open_store
from sync.trust import Release, Trust
from tests.repository import secret, write_hollow_bundle

CALLS = "rename fsync openat write mkdir unlink flock close".split()
CALLED = re.compile(r"^\d+ +(\w+)\(")


def sweep(like: Path, folder: Path, points: int) -> int:
    """Kill a publish at so many of its calls, spread evenly.

    Returns:
        How many times it was really killed.
    """
    keys = Keys.create(folder / "keys", secret)
    old = write_hollow_bundle(folder / "old", like, "old")
    write_hollow_bundle(folder / "new", like, "new")
    (folder / "stick").mkdir()
    Publisher(open_store((folder / "stick").as_uri()), keys).put(old, "stable")
    for name in ("stick", "keys"):
        shutil.copytree(folder / name, folder / "begin" / name)
    killed = 0
    for call, number in _spread(_calls(folder), points):
        _reset(folder)
        done = _publish(folder, f"-einject={call}:signal=KILL:when={number}")
        killed += done.returncode != 0
        where = f"killed at {call} {number}"
        found = _look(folder)
        assert found.number in (1, 2), where
        for entry in parse_manifest(found.manifest, where).files.values():
            assert file_digest(folder / "stick" / "files" / entry.sha256) == entry.sha256, where
        again = _publish(folder)
        assert again.returncode == 0, f"{where}: {again.stderr}"
        assert _look(folder).number == found.number + 1, where
    return killed


def _calls(folder: Path) -> Counter[str]:
    """How often an undisturbed publish calls what, once the interpreter is up."""
    log = folder / "log"
    done = _publish(folder, f"-o{log}")
    assert done.returncode == 0, done.stderr
    found = (CALLED.match(line) for line in log.read_text().splitlines())
    return Counter(match[1] for match in found if match)


def _spread(calls: Counter[str], points: int) -> list[tuple[str, int]]:
    """Points to kill at, of the last calls of each kind: before, there are only imports."""
    late = [
        (call, number)
        for call in CALLS
        for number in range(max(1, calls[call] - 60), calls[call] + 1)
    ]
    return [late[index * len(late) // points] for index in range(points)]


def _publish(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [str(folder / name) for name in ("keys", "new", "stick")]
    trace = ["strace", "-f", "-qq", f"-etrace={','.join(CALLS)}", f"-o{folder / 'trace'}", *options]
    return subprocess.run(
        [*trace, sys.executable, "-m", "tests.crash_publish", "put", *words],
        capture_output=True,
        text=True,
    )


def _reset(folder: Path) -> None:
    for name in ("stick", "keys"):
        shutil.rmtree(folder / name)
        shutil.copytree(folder / "begin" / name, folder / name)


def _look(folder: Path) -> Release:
    root = (folder / "keys" / "root.json").read_bytes()
    with tempfile.TemporaryDirectory() as state:
        device = Trust(Path(state), root, open_store((folder / "stick").as_uri()))
        device.refresh()
        return device.newest("stable")


def _main(words: list[str]) -> None:
    if words[0] == "put":
        keys, bundle, stick = map(Path, words[1:])
        Publisher(open_store(stick.as_uri()), Keys(keys, secret)).put(bundle, "stable")
        return
    points = int(words[1]) if len(words) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        killed = sweep(Path(words[0]), Path(folder), points)
    print(f"{points} points, {killed} times killed: whole every time, and it went on every time")


if __name__ == "__main__":
    _main(sys.argv[1:])
