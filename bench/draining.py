"""Measure whether reporting slows the camera: frame to match with and without a drain.

    python -m bench.draining

The same frames, rendered beforehand, go through recognizer and appliance at a steady pace, beside
a real `visual-search sync run` that reports to a real mosquitto over mutual TLS. The outbox is
empty, or full and drained at the default limit, in turns, because the speed of a machine drifts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.building import large_bundle
from bench.stages import rendered_frames
from catalog.bundles.bundle import Bundle
from catalog.core.settings import DeviceSettings
from catalog.networks.featurizer import Featurizer
from edge.appliance.appliance import Appliance
from edge.appliance.event_recorder import EventRecorder
from edge.settings import EdgeSettings
from edge.sighting import Frame, Image
from edge.vision.recognizer import Recognizer
from sync.outbox.database import FILE
from sync.outbox.events import status
from sync.outbox.outbox import Outbox
from sync.settings import OutboxSettings
from tests.support.brokers import THING, BrokerCertificates, Mosquitto

RESULTS = Path("bench-results")
EVENTS = 5000  # more than can be sent in one round
ROUNDS = 4
PACE_S = 0.1
TARGET = 1.2


def main() -> None:
    """Measure in turns and print the ratio."""
    console = Console()
    bundle = Bundle.open(large_bundle(RESULTS, Featurizer.open()), verified=True)
    frames = rendered_frames(640, 480)
    times: dict[bool, list[float]] = {False: [], True: []}
    acknowledged = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates = BrokerCertificates.make(folder)
        (folder / "mosquitto").mkdir()
        mosquitto = Mosquitto(folder / "mosquitto", certificates)
        try:
            for turn in range(2 * ROUNDS):
                full = turn % 2 == 1
                home = folder / str(turn)
                home.mkdir()
                taken, measured = one_round(
                    home, bundle, frames, certificates, mosquitto.port, full=full
                )
                times[full] += measured
                acknowledged += taken if full else 0
        finally:
            mosquitto.stop()
    empty, draining = np.array(times[False]), np.array(times[True])
    for what, taken_ms in (("nothing to report", empty), ("during a drain", draining)):
        console.print(
            f"frame to match, {what}: median {np.median(taken_ms):.2f} ms, "
            f"p99 {np.quantile(taken_ms, 0.99):.2f} ms ({len(taken_ms)} frames)"
        )
    ratio = np.quantile(draining, 0.99) / np.quantile(empty, 0.99)
    console.print(f"ratio of p99: {ratio:.2f} (target: at most {TARGET})")
    console.print(f"{acknowledged} events were acknowledged meanwhile")


def one_round(
    folder: Path,
    bundle: Bundle,
    frames: list[Image],
    certificates: BrokerCertificates,
    port: int,
    *,
    full: bool,
) -> tuple[int, list[float]]:
    """Send the frames through the appliance once.

    Returns:
        The number of events that were acknowledged meanwhile, and each frame's milliseconds.
    """
    settings = OutboxSettings.model_validate({})
    outbox = Outbox(folder / FILE, settings, "device")
    if full:
        tickets = [outbox.put(status("bench", number=number)) for number in range(1500)]
        for start in range(1500, EVENTS, 500):
            assert tickets[-1].wait(60)
            tickets = [outbox.put(status("bench", number=start + n)) for n in range(500)]
        assert tickets[-1].wait(60)
    device = DeviceSettings.model_validate({"data_dir": str(folder)})
    recorder = EventRecorder(outbox, settings, device)
    appliance = Appliance(
        EdgeSettings.model_validate({"camera": "simulated"}), bundle, recorder=recorder
    )
    recognizer = Recognizer(bundle)
    measured = []
    with reporter(folder, certificates, port):
        until_connected(folder)
        before = outbox.counters().acknowledged
        for number, image in enumerate(frames):
            began = time.perf_counter()
            observation = recognizer.observe(Frame(image, time.time(), number))
            appliance.publish(observation, time.time())
            measured.append((time.perf_counter() - began) * 1000)
            time.sleep(max(0.0, began + PACE_S - time.perf_counter()))
        taken = outbox.counters().acknowledged - before
        if full:
            assert outbox.counters().length > 0, "the drain ended before the frames"
    recorder.stop()
    return taken, measured


@contextmanager
def reporter(folder: Path, certificates: BrokerCertificates, port: int) -> Iterator[None]:
    """A `sync run` that reports from `folder`."""
    certificate, key = certificates.device
    environment = {
        **os.environ,
        "VISUAL_SEARCH_DEVICE__DATA_DIR": str(folder),
        "VISUAL_SEARCH_DEVICE__THING": THING,
        "VISUAL_SEARCH_DEVICE__CERTIFICATE": str(certificate),
        "VISUAL_SEARCH_DEVICE__PRIVATE_KEY": str(key),
        "VISUAL_SEARCH_DEVICE__CA": str(certificates.authority.file),
        "VISUAL_SEARCH_OUTBOX__ENDPOINT": "localhost",
        "VISUAL_SEARCH_OUTBOX__PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "visual_search", "sync", "run"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def until_connected(folder: Path) -> None:
    """Wait until the reporter has found its broker."""
    notes = folder / "state" / "reported.jsonl"
    for _ in range(600):
        if notes.exists() and '"connected"' in notes.read_text():
            return
        time.sleep(0.1)
    raise RuntimeError("the reporter does not connect")


if __name__ == "__main__":
    main()
