"""Measure the appliance as a process: start, memory, processor at rest, exit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.timing import median_ms
from catalog.networks.featurizer import Featurizer

PROGRAM = Path(sys.executable).with_name("visual-search")
SETTLE, REST = 8, 20  # seconds
BARE = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
side = int(sys.argv[2])
session.run(None, {session.get_inputs()[0].name: numpy.zeros((1, 3, side, side), "f")})
"""


@contextmanager
def device(bundle: Path, picture: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run the appliance on a folder with one picture; its port and process, once it answers."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        shutil.copy(picture, pictures)
        port = free_port()
        process = subprocess.Popen(
            [PROGRAM, "edge", "run", "--bundle", bundle, "--camera", pictures, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "VISUAL_SEARCH_DEVICE__DATA_DIR": folder},
        )
        try:
            until(lambda: newest(port).get("verdict") in ("match", "one_of", "unknown"))
            yield port, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def process_figures(bundle: Path, thing: Path) -> dict[str, float]:
    """Run the appliance on a folder with one picture, `thing`, and measure it."""
    start = time.perf_counter()
    with device(bundle, thing) as (_, watched):
        first_match = time.perf_counter() - start
        time.sleep(SETTLE)
        before, began = sum(watched.cpu_times()[:2]), time.perf_counter()
        time.sleep(REST)
        at_rest = (sum(watched.cpu_times()[:2]) - before) / (time.perf_counter() - began)
        memory = watched.memory_info().rss / 1e6
        asked = time.perf_counter()
    exit_seconds = time.perf_counter() - asked
    bare = bare_start()
    return {
        "cold start to first match, s": first_match,
        "bare: start Python, open the network, run it once, s": bare,
        "ratio to bare": first_match / bare,
        "resident memory after the first answer, MB": memory,
        "processor at rest, % of one core": 100 * at_rest,
        "exit, s (target below 1)": exit_seconds,
    }


def bare_start() -> float:
    """Seconds to start Python, open the embedded network in onnxruntime and run it once."""
    (network,) = Featurizer.open().networks
    command = [sys.executable, "-c", BARE, str(network.path), str(network.descriptor.size)]
    return median_ms(lambda: subprocess.run(command, check=True), 5) / 1000


def newest(port: int) -> dict[str, Any]:
    """The newest sighting of the appliance at `port`; empty when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/latest", timeout=5) as answer:
            return json.load(answer)["sighting"] or {}
    except OSError:
        return {}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
