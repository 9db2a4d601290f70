"""Measure how long a photo's search takes, and how much memory, by the photo's size.

    python -m bench.uploads [--times 5] [--sizes 12 48 108 200] [--progressive]

The page runs as a process of its own on the demonstration's catalogue; a folder is its camera. For
each size one photo is sent several times, then ten at once. Meanwhile another client asks for the
newest answer, as every open page does; the longest that it waits shows whether the page starves.
Each size has a process of its own, because freed memory may be used again.

First the processor time of one search is measured without the server, the sizes in turn, so that
other work on the machine does not change their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil
from flask import Request
from numpy.typing import NDArray
from werkzeug.test import EnvironBuilder

from bench.process import device
from catalog.bundles.bundle import Bundle
from catalog.core.settings import CatalogSettings
from edge.cli.demo import prepare
from edge.vision.picture_search import search_picture
from edge.web.uploads import uploaded_photo

AT_ONCE = 10
LOOK_S = 0.01  # between two looks at the memory
SHAPES = {12: (4032, 3024), 48: (8064, 6048), 108: (12_000, 9000), 200: (16_320, 12_240)}
FLAW = 6  # grey levels of the noise, which makes a file as large as a phone's


@dataclass(frozen=True)
class Figures:
    """What was measured of one size.

    Memory is resident, beyond that before the first search.
    """

    megapixels: int
    file_mb: float
    one_s: float
    one_more_mb: float
    ten_s: float
    ten_more_mb: float
    ten_answers: dict[str, int]
    page_longest_s: float


def drawn_photo(source: Path, width: int, height: int, *, progressive: bool) -> bytes:
    """A drawn photo enlarged to width x height pixels, with a camera's noise."""
    image: NDArray[np.uint8] = np.asarray(
        cv2.resize(
            np.asarray(cv2.imread(str(source))), (width, height), interpolation=cv2.INTER_CUBIC
        ),
        np.uint8,
    )
    for top in range(0, height, 512):
        strip = image[top : top + 512]
        noise = np.random.default_rng(top).integers(-FLAW, FLAW + 1, strip.shape, np.int16)
        strip[:] = np.clip(strip + noise, 0, 255)
    options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def processor_seconds(bundle: Path, photos: dict[int, bytes], times: int) -> dict[int, float]:
    """Processor seconds to decode and search a photo of each size, medians, the sizes in turn."""
    cv2.setNumThreads(1)
    taken: dict[int, list[float]] = {size: [] for size in photos}
    with Bundle.open(bundle) as opened:
        for _ in range(times + 1):
            for size, photo in photos.items():
                asked = EnvironBuilder(method="POST", data=photo, content_type="image/jpeg")
                start = time.process_time()
                uploaded = uploaded_photo(Request(asked.get_environ()))
                search_picture(opened, uploaded.image, uploaded.box, exact=False)
                taken[size].append(time.process_time() - start)
    return {size: round(statistics.median(seconds[1:]), 3) for size, seconds in taken.items()}


def measure(bundle: Path, source: Path, size: int, photo: bytes, times: int) -> Figures:
    """Start the page, send it a photo of one size, and measure."""
    with device(bundle, source) as (port, process):
        before = process.memory_info().rss
        _search(port, photo)  # loads what the first search needs
        with _peak(process) as peak:
            seconds = [_search(port, photo)[1] for _ in range(times)]
        one = peak[0] - before
        page: list[float] = []
        done = threading.Event()
        viewer = threading.Thread(target=_view, args=(port, done, page))
        viewer.start()
        start = time.perf_counter()
        with _peak(process) as peak, ThreadPoolExecutor(AT_ONCE) as visitors:
            answers = list(visitors.map(lambda n: _search(port, photo, n)[0], range(AT_ONCE)))
        took = time.perf_counter() - start
        done.set()
        viewer.join()
    return Figures(
        megapixels=size,
        file_mb=round(len(photo) / 1e6, 1),
        one_s=round(statistics.median(seconds), 3),
        one_more_mb=round(one / 1e6),
        ten_s=round(took, 2),
        ten_more_mb=round((peak[0] - before) / 1e6),
        ten_answers={str(code): answers.count(code) for code in sorted(set(answers))},
        page_longest_s=round(max(page), 3),
    )


@contextmanager
def _peak(process: psutil.Process) -> Iterator[list[int]]:
    """Watch a process's resident memory; the list's one number is the most so far, in bytes."""
    most = [process.memory_info().rss]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_S):
            most[0] = max(most[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def _search(port: int, photo: bytes, visitor: int = 0) -> tuple[int, float]:
    """Send a visitor's photo; return the answer's status and the seconds that it took."""
    # Each visitor has an address, because one client can only have some of the places.
    transport = httpx.HTTPTransport(local_address=f"127.0.0.{visitor + 1}")
    with httpx.Client(transport=transport, timeout=120) as client:
        start = time.perf_counter()
        answer = client.post(
            f"http://127.0.0.1:{port}/api/search",
            content=photo,
            headers={"Content-Type": "image/jpeg"},
        )
        return answer.status_code, time.perf_counter() - start


def _view(port: int, done: threading.Event, seconds: list[float]) -> None:
    with httpx.Client(timeout=120) as client:
        while not done.is_set():
            start = time.perf_counter()
            client.get(f"http://127.0.0.1:{port}/api/latest").raise_for_status()
            seconds.append(time.perf_counter() - start)
            done.wait(0.05)


def main() -> None:
    """Measure each size and print a line of JSON for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--progressive", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bundle = prepare(Path(name), CatalogSettings(), "embedded")
        source = next((bundle.parent / "photos").rglob("*.jpg"))
        photos = {
            size: drawn_photo(source, *SHAPES[size], progressive=given.progressive)
            for size in given.sizes
        }
        seconds = processor_seconds(bundle, photos, given.times)
        print(json.dumps({"processor_s_by_megapixels": seconds}), flush=True)
        for size, photo in photos.items():
            figures = measure(bundle, source, size, photo, given.times)
            print(json.dumps(asdict(figures)), flush=True)


if __name__ == "__main__":
    main()
