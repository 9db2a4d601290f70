"""A kiosk: the real processes of a device, which the demonstration starts, asks and kills."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from bench.process import PROGRAM, free_port

Part = Literal["edge", "sync"]
PATIENCE_S = 180.0
PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Usage:
    """What a process needs now, and what it has written since it started.

    Attributes:
        rss: Resident memory, in bytes.
        anonymous: Of it what is in no file: pages of files come and go as they are used.
        threads: Its threads.
        files: Its open file descriptors.
        written: Bytes that it let the kernel write to a disk.
    """

    rss: int
    anonymous: int
    threads: int
    files: int
    written: int


def usage(process: int) -> Usage | None:
    """Read what a process needs; None where it has ended."""
    place = Path("/proc", str(process))
    try:
        status = dict(
            line.split(":", 1)
            for line in (place / "status").read_text().splitlines()
            if ":" in line
        )
        lines = (place / "io").read_text().splitlines()
        written = dict(line.split(": ") for line in lines)
        files = len(list((place / "fd").iterdir()))
        rss, anonymous = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))
        return Usage(rss, anonymous, int(status["Threads"]), files, int(written["write_bytes"]))
    except (OSError, KeyError):
        return None


def _end_with_this_program() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Kiosk:
    """The processes of one device.

    Attributes:
        name: Its name.
        folder: Where its settings, data and logs are.
        settings: The settings file's content.
        environments: For each of its processes, beside this process's own.
        written: Bytes that processes which have ended let the kernel write.
        commands: How to start each process; by default as a device does.
    """

    name: str
    folder: Path
    settings: str
    environments: Mapping[Part, Mapping[str, str]]
    written: int = 0
    port: int = field(default_factory=free_port)
    commands: Mapping[Part, list[str]] = field(default_factory=dict)
    _processes: dict[Part, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "visual-search.toml"
        self.config.write_text(self.settings)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def start(self, *parts: Part) -> None:
        """Start processes, as a device's services do."""
        for part in parts:
            words = [str(PROGRAM), "--config", str(self.config), part, "run"]
            command = self.commands.get(part, words)
            with (self.folder / f"{part}.log").open("ab") as log:
                self._processes[part] = subprocess.Popen(
                    [*command, *(["--port", str(self.port)] if part == "edge" else [])],
                    env={**self._environment(), **self.environments[part]},
                    stdout=log,
                    stderr=log,
                    preexec_fn=_end_with_this_program,
                )

    def command(self, *words: str) -> None:
        """Run a command on the device."""
        done = subprocess.run(
            [str(PROGRAM), "--config", str(self.config), *words],
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout} {done.stderr}"

    def kill(self, part: Part) -> None:
        """End a process as a power cut does, without a word."""
        self._end(part, signal.SIGKILL)

    def stop(self, *parts: Part) -> None:
        """End processes in order."""
        for part in parts:
            self._end(part, signal.SIGTERM)

    def _environment(self) -> dict[str, str]:
        data = {"VISUAL_SEARCH_DEVICE__DATA_DIR": str(self.data)}
        return {**os.environ, "OPENBLAS_NUM_THREADS": "1", **data}

    def _end(self, part: Part, how: signal.Signals) -> None:
        process = self._processes.pop(part, None)
        if process is None:
            return
        if process.poll() is not None:
            log = (self.folder / f"{part}.log").read_text(errors="replace")[-2000:]
            raise AssertionError(f"{self.name}: {part} ended by itself: {log}")
        found = usage(process.pid)
        self.written += found.written if found is not None else 0
        process.send_signal(how)
        process.wait(30)

    def usage(self, part: Part) -> Usage | None:
        """What a process needs now; None where it does not run."""
        process = self._processes.get(part)
        return usage(process.pid) if process is not None else None

    def ask(self, path: str) -> dict[str, Any]:
        """A JSON answer of the page's server; empty where it does not answer."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            answer = self.client.get(path)
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
        return {}

    def wait_until_ready(self) -> float:
        """Wait until the kiosk answers, sees and has a catalogue; returns the seconds."""
        began = time.monotonic()
        while True:
            found = self.ask("/api/latest")
            if found.get("bundle") and found["camera"]["state"] == "online":
                return time.monotonic() - began
            if time.monotonic() - began > PATIENCE_S:
                log = (self.folder / "edge.log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"{self.name} does not come up: {found} {log}")
            time.sleep(0.02)

    def close(self) -> None:
        """Stop everything."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()
        self.client.close()
