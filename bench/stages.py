"""How long the device takes, stage by stage, beside the bare network.

    python -m bench.stages

A catalogue of 10,000 photos is built from the demonstration's drawings; frames of the
simulated camera, rendered beforehand, go through the same code that the appliance runs.
Every figure that matters is a ratio to the bare network's own time in the same run.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from catalog.build import build
from catalog.bundle import Bundle
from catalog.calibration import as_seen
from catalog.demonstration.photos import draw_catalogue, is_complete
from catalog.featurizer import Descriptor, Featurizer
from catalog.materials import materials
from catalog.photos import decode
from catalog.sources import read_source
from edge.appliance import Appliance
from edge.cameras.base import CameraSettings
from edge.cameras.reader import CameraReader
from edge.latest import Latest
from edge.recognizer import Recognizer
from edge.settings import EdgeSettings
from edge.sighting import Frame, Image
from edge.simulator.scene import Simulator
from edge.web.app import create_app
from edge.web.server import Server

PROGRAM = Path(sys.executable).with_name("visual-search")
RESULTS = Path("bench-results")
PHOTOS = 10_000
SEED = 80_001
SHOWINGS = 60
LOOKS_A_SHOWING = 4


def main() -> None:
    """Measure everything and print two tables."""
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    console = Console(width=110)
    bundle_folder, built = big_bundle(RESULTS)
    bundle = Bundle.open(bundle_folder)
    bare = bare_times(bundle.featurizer)
    frames = rendered_frames()
    results: dict[str, object] = {"bare_ms": bare, "build": built}

    reference = bare.get("mobilenet_v2_224", bare["embedded"])
    table = Table(title=f"frame to match, medians in ms, {bundle.manifest.photos:,} photos")
    for column in (
        "frames",
        "capture",
        "look",
        "embed",
        "search",
        "show",
        "all but embed",
        "ratio",
    ):
        table.add_column(column, justify="right")
    large = [cv2.resize(one, (1920, 1080)) for one in frames[:120]]
    for name, images in (("640x480", frames), ("1920x1080", large)):
        stages = stage_times(bundle, images)  # type: ignore[arg-type]
        others = sum(value for stage, value in stages.items() if stage != "embed")
        results[name] = {**stages, "all_but_embed": others, "ratio": others / reference}
        table.add_row(
            name, *(f"{stages[one]:.2f}" for one in ("capture", "look", "embed", "search", "show")),
            f"{others:.2f}", f"{others / reference:.0%}",
        )  # fmt: skip
    console.print(table)
    console.print(f"bare networks, ms: {', '.join(f'{k} {v:.2f}' for k, v in bare.items())}")
    console.print("ratio: to MobileNetV2-224's own time; wanted at most 25 %")

    process = process_figures(bundle_folder)
    results["process"] = process
    for name, value in {**process, **{f"build, {k}": v for k, v in built.items()}}.items():
        console.print(f"{name:<55}{value:>10.2f}")
    (RESULTS / "stages.json").write_text(json.dumps(results, indent=1))


def big_bundle(folder: Path) -> tuple[Path, dict[str, float]]:
    """A bundle of 10,000 different photos made from drawn ones, and how fast it was built."""
    drawn, photos = folder / "drawn", folder / "photos"
    if not is_complete(drawn):
        draw_catalogue(drawn)
    if len(list(photos.rglob("*.jpg"))) < PHOTOS:
        originals = sorted(drawn.rglob("*.jpg"))
        for number in range(PHOTOS):
            original = originals[number % len(originals)]
            image = cv2.imread(str(original))
            target = photos / original.parent.name / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), as_seen(cv2.resize(image, (320, 320)), number))  # type: ignore[arg-type]
    featurizer = Featurizer.open()
    with tempfile.TemporaryDirectory() as cache:
        report = build(read_source(photos), folder / "bundle", featurizer, Path(cache), "bench")
    batch = np.random.default_rng(0).normal(size=(16, 3, *[featurizer.descriptor.size] * 2))
    tensor = batch.astype(np.float32)
    alone = 16 / (median_ms(lambda: featurizer.run(tensor), 30) / 1000)
    return folder / "bundle", {
        "images/s": report.photos_per_second,
        "bare network images/s": alone,
        "ratio": report.photos_per_second / alone,
        "seconds": report.seconds,
    }


def bare_times(embedded: Featurizer) -> dict[str, float]:
    """Milliseconds of the networks alone, one tensor, one thread."""
    times = {"embedded": bare_ms(embedded)}
    root = materials()
    if root is not None:
        descriptor = Descriptor("mobilenet_v2", "mobilenet_v2_1.0_224.onnx", None, 224)
        times["mobilenet_v2_224"] = bare_ms(Featurizer(root / "models", descriptor))
    return times


def bare_ms(featurizer: Featurizer) -> float:
    """Milliseconds of one run on one tensor."""
    side = featurizer.descriptor.size
    tensor = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)
    return median_ms(lambda: featurizer.run(tensor), 200)


def rendered_frames() -> list[Image]:
    """Frames of things at rest, a few of each showing, so that nothing is ever settled."""
    simulator = Simulator(SEED)
    empty = [simulator.frame(index)[0] for index in range(6)]
    resting = (list(simulator.resting(number))[:LOOKS_A_SHOWING] for number in range(SHOWINGS))
    return empty + [simulator.frame(index)[0] for indices in resting for index in indices]


def stage_times(bundle: Bundle, frames: list[Image]) -> dict[str, float]:
    """Median milliseconds of each stage over frames (h, w, 3)."""
    recognizer = Recognizer(bundle)
    seen = [recognizer.see(Frame(image, 0.0, 0)) for image in frames]
    looked = [one for one in seen if one.look is not None]
    return {
        "capture": capture_ms(frames),
        "look": statistics.median(one.timings.look for one in looked),
        "embed": statistics.median(one.timings.embed for one in looked),
        "search": statistics.median(one.timings.search for one in looked),
        "show": show_ms(
            bundle, [(frame, one) for frame, one in zip(frames, seen, strict=True) if one.look]
        ),
    }


class Rendered:
    """A camera that hands over frames that were rendered beforehand."""

    name = "rendered"
    learns_background = True
    paced = False
    live = False

    def __init__(self, frames: list[Image]) -> None:
        self._frames = frames
        self._next = 0

    def read(self) -> Image:
        """The next frame, an array of its own."""
        self._next += 1
        return self._frames[self._next % len(self._frames)].copy()

    def close(self) -> None:
        """Nothing to give back."""


def capture_ms(frames: list[Image]) -> float:
    """Median milliseconds from the camera's read to the loop's having the newest frame."""
    times = []
    reader = CameraReader(
        "rendered", CameraSettings(fps=60), opener=lambda source, settings: Rendered(frames)
    )
    with reader:
        sequence = 0
        while len(times) < 200:
            frame = reader.frame(after=sequence, timeout=5)
            assert frame is not None
            times.append((time.time() - frame.at) * 1000 + frame.capture_ms)
            sequence = frame.sequence
    return statistics.median(times)


def show_ms(bundle: Bundle, looks: list[tuple[Image, object]]) -> float:
    """Median milliseconds from a finished search to its event in a viewer's hands.

    A real server and one viewer with the event stream open; the viewer's own reading is
    counted in.
    """
    appliance = Appliance(EdgeSettings(camera="simulated", port=0), bundle)
    appliance.latest = Latest()
    server = Server(create_app(appliance), "127.0.0.1", 0, appliance.stopping)
    thread = threading.Thread(target=server.serve)
    thread.start()
    times: list[float] = []
    with socket.create_connection(("127.0.0.1", server.port)) as viewer:
        viewer.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = viewer.makefile("rb")
        wait_for(stream, b'"sighting":null')
        for number, (_, observation) in enumerate(looks[:100], 1):
            start = time.perf_counter()
            sighting = appliance._sighting(bundle, observation, time.time(), number)  # type: ignore[arg-type]
            appliance.latest.push(sighting)
            wait_for(stream, sighting.id.encode())
            times.append((time.perf_counter() - start) * 1000)
    server.stop()
    thread.join()
    return statistics.median(times)


def wait_for(stream: object, text: bytes) -> None:
    """Read lines of a stream until one holds `text`."""
    while text not in (line := stream.readline()):  # type: ignore[attr-defined]
        assert line, "the stream ended"


def process_figures(bundle: Path) -> dict[str, float]:
    """Figures of the appliance as a process: start, memory, processor at rest, exit."""
    with tempfile.TemporaryDirectory() as folder:
        picture = decode(next(Path(RESULTS / "drawn").rglob("*.jpg")).read_bytes(), "picture")
        cv2.imwrite(str(Path(folder, "thing.png")), picture)
        port = free_port()
        start = time.perf_counter()
        process = subprocess.Popen(
            [PROGRAM, "edge", "run", "--bundle", bundle, "--camera", folder, "--port", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "VISUAL_SEARCH_DEVICE__DATA_DIR": folder},
        )  # fmt: skip
        try:
            until(lambda: latest(port).get("verdict") in ("match", "one_of"))
            first_match = time.perf_counter() - start
            watched = psutil.Process(process.pid)
            time.sleep(8)
            before, began = sum(watched.cpu_times()[:2]), time.perf_counter()
            time.sleep(20)
            at_rest = (sum(watched.cpu_times()[:2]) - before) / (time.perf_counter() - began)
            memory = watched.memory_info().rss / 1e6
        finally:
            asked = time.perf_counter()
            process.send_signal(signal.SIGINT)
            process.wait(10)
        exit_seconds = time.perf_counter() - asked
    return {
        "cold start to first match, s": first_match,
        "  bare: start Python, open network, one run, s": bare_start(),
        "resident memory, MB (wanted below 300)": memory,
        "processor at rest, % of one core": 100 * at_rest,
        "exit, s (wanted below 1)": exit_seconds,
    }


def bare_start() -> float:
    """Seconds to start Python, open the embedded network in onnxruntime and run it once."""
    code = (
        "import onnxruntime, numpy; from pathlib import Path; import sys;"
        "s = onnxruntime.InferenceSession(sys.argv[1]);"
        "s.run(None, {s.get_inputs()[0].name: numpy.zeros((1, 3, int(sys.argv[2]), int(sys.argv[2])), 'f')})"
    )
    featurizer = Featurizer.open()
    command = [sys.executable, "-c", code, featurizer.path, str(featurizer.descriptor.size)]
    return median_ms(lambda: subprocess.run(command, check=True), 5) / 1000


def latest(port: int) -> dict[str, object]:
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
        port: int = probe.getsockname()[1]
        return port


def median_ms(work: Callable[[], object], times: int) -> float:
    """Median milliseconds of `work`, after a warm-up."""
    work()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        measured.append((time.perf_counter() - start) * 1000)
    return statistics.median(measured)


if __name__ == "__main__":
    main()
