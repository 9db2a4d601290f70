"""Measure how many codes on drawn packages are read by the simulated camera, and how fast.

    python -m bench.codes [--showings 40]

A QR code is 100 to 200 pixels a side in the camera's frame, an EAN-13 or UPC-A 200 to 320
wide, an EAN-8 160 to 260.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from bench.demonstration import RESULTS
from edge.sighting import Image
from edge.simulator.codes import CodeKind, drawn_code, package, random_text
from edge.simulator.compose import Placed, flattened
from edge.simulator.play import Play
from edge.simulator.timeline import random_view
from edge.vision.codes import CodeReader
from edge.vision.fixed_scene import FixedScene
from edge.vision.images import cut

SEED = 97_001
SIZES: dict[CodeKind, tuple[float, float]] = {
    "qr": (100, 200),
    "ean13": (200, 320),
    "upca": (200, 320),
    "ean8": (160, 260),
}
FRAMES = 3


def showings(kind: CodeKind, count: int) -> Iterator[tuple[str, list[Image], Image]]:
    """A code's text, frames of a package with the code at rest, and the empty counter."""
    for number in range(count):
        random = np.random.default_rng([SEED, number, sorted(SIZES).index(kind)])
        play = Play(int(random.integers(2**31)))
        text = random_text(random, kind)
        colour = tuple(int(channel) for channel in random.integers(60, 230, 3))
        wanted = float(random.uniform(*SIZES[kind]))
        code, view = drawn_code(kind, text), random_view(random)
        cutout, where = package(random, code, (colour[0], colour[1], colour[2]), view)
        long, short = sorted(cv2.minAreaRect(cv2.findNonZero(where))[1], reverse=True)
        quiet = 1 - 8 / (code.shape[0] / 8) if kind == "qr" else 1 - 100 / code.shape[1]
        side = (short if kind == "qr" else long) * quiet
        size = round(view.size * wanted / side)
        random = np.random.default_rng([SEED, number, sorted(SIZES).index(kind), 1])
        cutout, _ = package(
            random, code, (colour[0], colour[1], colour[2]), replace(view, size=size)
        )
        height, width = cutout.shape[:2]
        if width > play.size[0] - 20 or height > play.size[1] - 20:
            continue
        counter = play.still()
        x = int(random.integers(10, play.size[0] - width - 9))
        y = int(random.integers(10, play.size[1] - height - 9))
        soft = np.asarray(cv2.GaussianBlur(cutout, (0, 0), 0.6), np.uint8)
        shown = flattened(counter, [Placed(soft, x, y, is_thing=True)])
        yield (
            text,
            [play.sensed(shown, index) for index in range(FRAMES)],
            play.sensed(counter, 99),
        )


def measure(kind: CodeKind, count: int) -> dict[str, float]:
    """Show up to `count` packages with a code of one kind, and read them."""
    reader = CodeReader()
    read = wrong = shown = 0
    took: list[float] = []
    for text, frames, empty in showings(kind, count):
        scene = FixedScene()
        scene.learn(empty)
        box = scene.update(frames[0]).box
        start = time.thread_time()
        code = reader.read([cut(frame, box) for frame in frames], lambda code: True)
        took.append((time.thread_time() - start) * 1000)
        shown += 1
        read += code is not None and code.text.lstrip("0") == text.lstrip("0")
        wrong += code is not None and code.text.lstrip("0") != text.lstrip("0")
    return {"shown": shown, "read": read, "wrong": wrong, "ms": float(np.median(took))}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--showings", type=int, default=40, help="of each kind")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("codes on drawn packages        read (target 95 %)   wrong (0)   CPU, ms")
    found = {kind: measure(kind, arguments.showings) for kind in SIZES}
    for kind, row in found.items():
        share = row["read"] / row["shown"]
        print(
            f"  {kind:28} {row['read']:3.0f} of {row['shown']:3.0f} ({share:.0%})"
            f"   {row['wrong']:6.0f}   {row['ms']:12.0f}"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "codes.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
