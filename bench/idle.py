"""Measure the processor time of the whole edge process while nothing happens.

    python -m bench.idle [--seconds 300] [--model MODEL]

An unchanged simulated counter with sensor noise: frames rendered beforehand are handed over
ten times a second, the page is served, and nobody watches.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from bench.demonstration import RESULTS
from bench.process import free_port
from catalog.bundles.bundle import Bundle
from catalog.core.settings import CatalogSettings
from catalog.recognition.decision import Verdict
from edge.appliance.appliance import Appliance
from edge.cameras import Camera, CameraSettings
from edge.cameras.pace import Pace
from edge.cli.demo import prepare
from edge.settings import EdgeSettings
from edge.sighting import Image
from edge.simulator.play import Play
from edge.web.app import create_app
from edge.web.server import Server

FRAMES = 240
FPS = 10.0
SEED = 99_001
LEARN, SETTLE = 3, 5  # seconds


class Prepared:
    """A camera that hands over frames rendered beforehand, again and again."""

    name = "prepared"
    learns_background = True
    paced = True
    live = True

    def __init__(self, frames: list[Image]) -> None:
        self.frames = frames
        self._pace = Pace(FPS)
        self._number = 0

    def read(self) -> Image:
        """Wait for the next picture."""
        self._pace.wait()
        self._number += 1
        return self.frames[self._number % len(self.frames)]

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def rendered(*, thing: bool) -> list[Image]:
    """Frames of an unchanged counter, or of a thing at rest on it."""
    play = Play(SEED, kinds=("item",))
    shown = play.still()
    if thing:
        shown, _ = play.frame(play.frames(0).start + 25)
    return [play.sensed(shown, index) for index in range(FRAMES)]


def measure(bundle: Path, seconds: float, *, thing: bool = False) -> dict[str, float]:
    """Run the appliance for some seconds at rest."""
    empty, frames = rendered(thing=False), rendered(thing=thing)
    with tempfile.TemporaryDirectory() as folder:
        settings = EdgeSettings.model_validate({"port": free_port()})
        camera = Prepared(empty)

        def opener(source: str, settings: CameraSettings) -> Camera:
            return camera

        appliance = Appliance(
            settings, Bundle.open(bundle), state_folder=Path(folder), opener=opener
        )
        app = create_app(appliance)
        server = Server(app, settings.host, settings.port, appliance.stopping)
        serving = threading.Thread(target=server.serve)
        appliance.start()
        serving.start()
        time.sleep(LEARN)
        camera.frames = frames
        time.sleep(SETTLE)
        before, began = os.times(), time.monotonic()
        time.sleep(seconds)
        after, passed = os.times(), time.monotonic() - began
        newest = appliance.latest.leading()
        appliance.stopping.set()
        server.stop()
        serving.join()
        appliance.stop()
        server.close()
    used = after.user + after.system - before.user - before.system
    sightings = len(appliance.latest.all())
    verdict = newest.verdict if newest is not None else Verdict.NOTHING
    assert (verdict is Verdict.NOTHING) is not thing, f"the verdict is {verdict}"
    return {"share": used / passed, "sightings": sightings}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="embedded", help="as for 'catalog build'")
    parser.add_argument("--seconds", type=float, default=300)
    arguments = parser.parse_args()
    bundle = prepare(RESULTS / "demonstration", CatalogSettings(), arguments.model)
    found = {"empty counter": measure(bundle, arguments.seconds)}
    found["thing at rest"] = measure(bundle, arguments.seconds, thing=True)
    print(f"idle for {arguments.seconds:g} s (target: at most 3 % of one core, better 1 %)")
    for name, row in found.items():
        print(f"  {name:16}{row['share']:.2%} of one core, {row['sightings']:.0f} sightings")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "idle.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
