"""Measure which codes are read, how many wrongly, and what reading costs.

    python -m bench.codes [--showings 40] [--small 100] [--symbols 20] [--looks 2000]

Five tables: drawn packages before the simulated camera (a QR code is 100 to 200 pixels a side in
the camera's frame, an EAN-13 or UPC-A 200 to 320 wide, an EAN-8 160 to 260); EAN-13 that are small,
blurred by 0.4 to 1 pixel and tilted by up to 25 degrees each way, with noise of 4 grey levels;
every symbology, three pixels a module; rests of drawn things without any code; and, where
``VISUAL_SEARCH_MATERIALS`` names their folder, photos of things and of shelves, whole and in crops.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from numpy.random import Generator

from bench.demonstration import RESULTS
from bench.materials import materials
from catalog.core.photos import decode
from catalog.synthetic.render import View
from edge.sighting import Image
from edge.simulator.codes import CodeKind, drawn_code, package, random_text
from edge.simulator.compose import Placed, flattened
from edge.simulator.play import Play
from edge.simulator.simulator import Simulator
from edge.simulator.timeline import random_view
from edge.vision.codes import read_codes, spellings
from edge.vision.fixed_scene import FixedScene

SEED = 97_001
SIZES: dict[CodeKind, tuple[float, float]] = {
    "qr": (100, 200),
    "ean13": (200, 320),
    "upca": (200, 320),
    "ean8": (160, 260),
}
SMALL = (140, 170, 200, 260)  # pixels
FRAMES = 3
PHOTOS = ("grocery/photos", "pool")  # folders of development photos, in which no code is legible
BLUR = 0.5  # pixels, of a doubled photo
NOISE = 4.0  # grey levels
WORDS = ("QRCode", "DataMatrix", "Aztec", "PDF417", "Code128", "Code39", "Code93")
DIGITS = {"MicroQRCode": 6, "ITF": 8, "Codabar": 9}
NUMBERS = {"EAN13": 13, "EAN8": 8, "UPCA": 12}
DATABARS = (
    "DataBarOmni",
    "DataBarStk",
    "DataBarStkOmni",
    "DataBarLtd",
    "DataBarExp",
    "DataBarExpStk",
)

Rest = tuple[str, list[Image]]  # what the code says, empty where there is none; pictures of a thing


def packages(kind: CodeKind, count: int) -> Iterator[Rest]:
    """Packages with a code, before the simulated camera."""
    for number in range(count):
        random = np.random.default_rng([SEED, number, sorted(SIZES).index(kind)])
        play = Play(int(random.integers(2**31)))
        text = random_text(random, kind)
        colour = _colour(random)
        wanted = float(random.uniform(*SIZES[kind]))
        code, view = drawn_code(kind, text), random_view(random)
        cutout, where = package(random, code, colour, view)
        long, short = sorted(cv2.minAreaRect(cv2.findNonZero(where))[1], reverse=True)
        quiet = 1 - 8 / (code.shape[0] / 8) if kind == "qr" else 1 - 100 / code.shape[1]
        side = (short if kind == "qr" else long) * quiet
        size = round(view.size * wanted / side)
        random = np.random.default_rng([SEED, number, sorted(SIZES).index(kind), 1])
        cutout, _ = package(random, code, colour, replace(view, size=size))
        height, width = cutout.shape[:2]
        if width > play.size[0] - 20 or height > play.size[1] - 20:
            continue
        counter = play.still()
        x = int(random.integers(10, play.size[0] - width - 9))
        y = int(random.integers(10, play.size[1] - height - 9))
        soft = np.asarray(cv2.GaussianBlur(cutout, (0, 0), 0.6), np.uint8)
        shown = flattened(counter, [Placed(soft, x, y, is_thing=True)])
        scene = FixedScene()
        scene.learn(play.sensed(counter, 99))
        frames = [play.sensed(shown, index) for index in range(FRAMES)]
        box = scene.update(frames[0]).box
        yield text, [box.cut(frame) for frame in frames]


def small_codes(width: int, count: int) -> Iterator[Rest]:
    """Packages with an EAN-13 so many pixels wide."""
    for number in range(count):
        random = np.random.default_rng([SEED, number, width])
        text = random_text(random, "ean13")
        code, colour = drawn_code("ean13", text), _colour(random)
        yaw, pitch, roll = (float(angle) for angle in random.uniform(-25, 25, 3))
        view = View(yaw=yaw, pitch=pitch, roll=roll, size=400)
        _, where = package(np.random.default_rng(number), code, colour, view)
        side = max(cv2.minAreaRect(cv2.findNonZero(where))[1]) * (1 - 100 / code.shape[1])
        view = replace(view, size=round(view.size * width / side))
        cutout, _ = package(np.random.default_rng(number), code, colour, view)
        counter = np.full((cutout.shape[0] + 40, cutout.shape[1] + 40, 3), 200, np.uint8)
        shown = flattened(counter, [Placed(cutout, 20, 20, is_thing=True)])
        yield text, _noisy(shown, float(random.uniform(0.4, 1.0)), random)


def symbols(name: str, count: int) -> Iterator[Rest]:
    """Codes of one symbology, three pixels a module, turned by up to 15 degrees."""
    for number in range(count):
        random = np.random.default_rng([SEED, number, sum(map(ord, name))])
        written, text = _symbol_text(name, random)
        code = zxingcpp.create_barcode(written, zxingcpp.barcode_format_from_str(name))
        grey = np.array(zxingcpp.write_barcode_to_image(code, scale=3))
        picture = cv2.cvtColor(np.pad(grey, 60, constant_values=255), cv2.COLOR_GRAY2BGR)
        height, width = picture.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-15, 15), 1)
        turned = cv2.warpAffine(picture, turn, (width, height), borderValue=(255, 255, 255))
        yield text, _noisy(np.asarray(turned, np.uint8), float(random.uniform(0.4, 1.0)), random)


def things_without_codes(count: int) -> Iterator[Rest]:
    """Things of the demonstration at rest, before the simulated camera."""
    simulator = Simulator(SEED)
    scene = FixedScene()
    scene.learn(simulator.frame(0)[0])
    for number in range(count):
        indices = list(simulator.resting(number))[:FRAMES]
        frames = [simulator.frame(index)[0] for index in indices]
        box = scene.update(frames[0]).box
        yield "", [box.cut(frame) for frame in frames]


def photos_without_codes(root: Path, count: int) -> Iterator[Rest]:
    """Photos of the development sets, doubled: each whole, and a random half of it."""
    files = [file for folder in PHOTOS for file in sorted((root / "data" / folder).rglob("*.webp"))]
    random = np.random.default_rng(SEED)
    chosen = random.choice(len(files), min(-(-count // 2), len(files)), replace=False)
    for number in chosen.tolist():
        photo = decode(files[number].read_bytes(), files[number].name)
        height, width = photo.shape[:2]
        y, x = (int(random.integers(0, side // 2)) for side in (height, width))
        for part in (photo, photo[y : y + height // 2, x : x + width // 2]):
            doubled = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            yield "", _noisy(np.asarray(doubled, np.uint8), BLUR, random)


def measure(rests: Iterable[Rest]) -> dict[str, float]:
    """Read some rests; the time is until the first code, or until there is none."""
    read = wrong = shown = 0
    took: list[float] = []
    for text, frames in rests:
        start = time.thread_time()
        code = next(read_codes(frames), None)
        took.append((time.thread_time() - start) * 1000)
        shown += 1
        right = code is not None and bool(set(spellings(text)) & set(code.spellings))
        read += right
        wrong += code is not None and not right
    return {"shown": shown, "read": read, "wrong": wrong, "ms": float(np.median(took))}


def _symbol_text(name: str, random: Generator) -> tuple[str, str]:
    """A random text as the writer wants it, and as it should be read."""
    if name in WORDS:
        text = "SKU-" + _digits(random, 6)
        return text, text
    if name in DIGITS:
        text = _digits(random, DIGITS[name])
        return (f"A{text}B" if name == "Codabar" else text), text
    if name == "UPCE":
        body = _digits(random, 5)
        upca = _with_check_digit(f"0{body[:2]}00000{body[2:]}")
        return f"0{body}0{upca[-1]}", upca
    if name in NUMBERS:
        text = _with_check_digit("4" + _digits(random, NUMBERS[name] - 2))
        return text, text
    text = _with_check_digit("04" + _digits(random, 11))
    return f"(01){text}" + ("(10)AB" if "Exp" in name else ""), text


def _with_check_digit(digits: str) -> str:
    weighed = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return f"{digits}{-sum(weighed) % 10}"


def _digits(random: Generator, count: int) -> str:
    return "".join(map(str, random.integers(0, 10, count)))


def _colour(random: Generator) -> tuple[int, int, int]:
    blue, green, red = (int(channel) for channel in random.integers(60, 230, 3))
    return blue, green, red


def _noisy(picture: Image, blur: float, random: Generator) -> list[Image]:
    soft = cv2.GaussianBlur(picture, (0, 0), blur).astype(np.float32)
    noisy = (soft + random.normal(0, NOISE, soft.shape) for _ in range(FRAMES))
    return [np.clip(frame, 0, 255).astype(np.uint8) for frame in noisy]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--showings", type=int, default=40, help="packages of each kind")
    parser.add_argument("--small", type=int, default=100, help="EAN-13 of each width")
    parser.add_argument("--symbols", type=int, default=20, help="codes of each symbology")
    parser.add_argument(
        "--looks",
        type=int,
        default=2000,
        help="at drawn things without codes, and so many photos and crops",
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    names = (*WORDS, *DIGITS, *NUMBERS, "UPCE", *DATABARS)
    tables = {
        **{f"package, {kind}": partial(packages, kind, arguments.showings) for kind in SIZES},
        **{f"EAN-13, {width} px": partial(small_codes, width, arguments.small) for width in SMALL},
        **{f"symbol, {name}": partial(symbols, name, arguments.symbols) for name in names},
        "drawn things without a code": partial(things_without_codes, -(-arguments.looks // FRAMES)),
    }
    root = materials()
    if root is not None:
        tables["photos without a code"] = partial(photos_without_codes, root, arguments.looks)
    print("codes                          read          wrong (0)   CPU, ms")
    results = {}
    for name, make in tables.items():
        row = results[name] = measure(make())
        read = f"{row['read']:.0f} of {row['shown']:.0f}"
        print(f"  {name:28} {read:14} {row['wrong']:8.0f}   {row['ms']:7.1f}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "codes.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
