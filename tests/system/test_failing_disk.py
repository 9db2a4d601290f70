"""A device whose disk fails while it runs goes on answering, and reports again when it can."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import pytest

from catalog.bundles.shelf import Shelf
from tests.conftest import Surroundings
from tests.edge.appliance.test_appliance import until
from tests.support.drawing import draw_thing
from tests.support.ports import free_port

SOURCE = Path(__file__).parents[1] / "support" / "failing_disk.c"
GOOD, IO_ERRORS, READ_ONLY = b" ", b"e", b"r"
ERRORS = {IO_ERRORS: "disk I/O error", READ_ONLY: "readonly"}


class FailingDisk:
    """A switch for the disk below a folder, for programs that are started with `environment`."""

    def __init__(self, folder: Path, below: Path) -> None:
        library, self._switch = folder / "failing_disk.so", folder / "switch"
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True)
        self._switch.write_bytes(GOOD)
        self.environment = {
            "FAILING_DISK": str(self._switch),
            "FAILING_FOLDER": str(below),
            "LD_PRELOAD": str(library),
        }

    def set(self, how: bytes) -> None:
        """Let it fail, or be good again."""
        with self._switch.open("r+b") as opened:  # in place: the programs have mapped it
            opened.write(how)


@pytest.fixture
def disk(tmp_path: Path, surroundings: Surroundings) -> FailingDisk:
    return FailingDisk(tmp_path, surroundings.data)


@pytest.fixture
def device(
    disk: FailingDisk, surroundings: Surroundings, small_bundle: Path, tmp_path: Path
) -> Iterator[Callable[[str], dict[str, Any]]]:
    """A running device before which two things lie in turn; asks it."""
    Shelf(surroundings.data / "shelf").activate(small_bundle)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for thing in range(2):
        cv2.imwrite(str(pictures / f"{thing}.png"), draw_thing(thing, 1, 320))
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in disk.environment.items():
            patch.setenv(name, value)
        # Each heartbeat is written at once, with the sightings that wait for others.
        patch.setenv("VISUAL_SEARCH_OUTBOX__HEARTBEAT_S", "10")
        command = ("edge", "run", "--camera", str(pictures), "--port", str(port))
        process = surroundings.start(*command)
    try:
        yield lambda path: _ask(process, port, path)
    finally:
        process.terminate()
        process.communicate(timeout=120)


def _ask(process: subprocess.Popen[str], port: int, path: str) -> dict[str, Any]:
    assert process.poll() is None, "the device has ended"
    try:
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).json()
    except httpx.TransportError:  # it is starting
        time.sleep(0.1)
        return {}
    return found


def test_a_device_outlives_a_disk_that_fails(
    disk: FailingDisk, device: Callable[[str], dict[str, Any]]
) -> None:
    def outbox() -> dict[str, Any]:
        found: dict[str, Any] = device("/api/status").get("outbox") or {}
        return found

    def sequence() -> int:
        sighting = device("/api/latest").get("sighting") or {}
        return int(sighting.get("sequence", 0))

    def is_told(error: str) -> bool:
        return error in outbox().get("last_error", "")

    def is_well(more_than: int) -> bool:
        found = outbox()
        return found.get("length", 0) > more_than and not found["last_error"]

    until(partial(is_well, 3))
    for how, error in ERRORS.items():
        kept = outbox()["length"]
        disk.set(how)
        until(partial(is_told, error))
        answered = sequence()
        until(partial(lambda before: sequence() > before, answered))  # without its disk
        disk.set(GOOD)
        until(partial(is_well, kept))


def test_what_the_switch_does(disk: FailingDisk, surroundings: Surroundings) -> None:
    surroundings.data.mkdir(parents=True, exist_ok=True)
    told = {}
    for how in (GOOD, IO_ERRORS, READ_ONLY):
        disk.set(how)
        done = subprocess.run(
            [sys.executable, "-c", "with open('file', 'w') as f: f.write('x')"],
            cwd=surroundings.data,
            env=os.environ | disk.environment,
            capture_output=True,
            text=True,
        )
        told[how] = done.stderr.strip().splitlines()[-1:]
    assert told[GOOD] == []
    assert "Input/output error" in told[IO_ERRORS][0]
    assert "Read-only file system" in told[READ_ONLY][0]
