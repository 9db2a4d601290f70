"""Measure how late answers are while many people look, and whether a page loads meanwhile.

    python -m bench.crowd [--seconds 20] [--rounds 3] [--against TREE]

A device shows a picture. 20 clients hear its events, 4 fetch the live picture, and another one
sends 100 requests a second. With --against, the program of another checkout is measured in the
same way, by turns; fails where the 99th percentile is more than 1.2 times that one's. Then one
client misbehaves in each of three ways, and another one loads the page anew; fails where a load
takes more than 5 seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np

from bench.process import free_port, until

LISTENERS, WATCHERS, RATE = 20, 4, 100  # RATE in requests a second
SETTLED_S = 5.0  # a device that has just started still loads its networks
TURN_S = 0.1  # from one live picture to the next, as the page does
ASKED = ("/api/latest", "/api/sightings", "/api/status", "/static/page.js", "/")
MOST_RATIO, MOST_LOAD_S = 1.2, 5.0
STRANGER = "127.0.0.2"  # whence the client comes that misbehaves
SLOW_REQUEST = b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 99
PROGRAM = "from visual_search.command import main; main()"
BUILD = """
import sys
from pathlib import Path
from edge.cli.demo import CatalogSettings, prepare
prepare(Path(sys.argv[1]), CatalogSettings(), "embedded")
"""  # each program makes its own: what a bundle holds has changed


def build(tree: Path, folder: Path) -> Path:
    """The demonstration's bundle, made in `folder` by the program of a checkout."""
    folder.mkdir()
    given = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(given, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=True)
    return folder / "catalogue.bundle"


@contextmanager
def device(tree: Path, bundle: Path) -> Iterator[int]:
    """Run the program of a checkout on a picture; gives its port."""
    with tempfile.TemporaryDirectory() as name:
        pictures, port = Path(name, "pictures"), free_port()
        pictures.mkdir()
        cv2.imwrite(str(pictures / "counter.png"), np.full((480, 640, 3), 190, np.uint8))
        given = ("edge", "run", "--bundle", bundle, "--camera", pictures, "--port", str(port))
        environment = {"VISUAL_SEARCH_DEVICE__DATA_DIR": name, "PYTHONPATH": str(tree)}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *given],
            cwd=tree,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        try:
            until(lambda: is_well(port), 120)
            time.sleep(SETTLED_S)
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def is_well(port: int) -> bool:
    """Whether the device at `port` can do its work."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30).is_success
    except httpx.TransportError:
        return False


async def hear(client: httpx.AsyncClient) -> None:
    """Read events until it is cancelled."""
    async with client.stream("GET", "/api/events") as answer:
        async for _ in answer.aiter_bytes():
            pass


async def look(client: httpx.AsyncClient) -> None:
    """Fetch one live picture after the other until it is cancelled."""
    sequence = "-1"
    while True:
        answer = await client.get(f"/camera.jpg?after={sequence}&width=640")
        sequence = answer.headers.get("X-Sequence", sequence)
        await asyncio.sleep(TURN_S)


async def ask(client: httpx.AsyncClient, path: str) -> float:
    """Milliseconds that a request takes."""
    began = time.perf_counter()
    (await client.get(path)).raise_for_status()
    return 1000 * (time.perf_counter() - began)


async def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of each request, sent at its time whether or not those before are answered."""
    base = f"http://127.0.0.1:{port}"
    streams = httpx.AsyncClient(base_url=base, timeout=60)
    requests = httpx.AsyncClient(base_url=base, timeout=60, limits=httpx.Limits(max_connections=20))
    async with streams, requests:
        others = [asyncio.create_task(hear(streams)) for _ in range(LISTENERS)]
        others += [asyncio.create_task(look(streams)) for _ in range(WATCHERS)]
        await asyncio.sleep(1)
        began, asked = time.perf_counter(), []
        for number in range(int(RATE * seconds)):
            await asyncio.sleep(max(0, began + number / RATE - time.perf_counter()))
            asked.append(asyncio.create_task(ask(requests, ASKED[number % len(ASKED)])))
        found = await asyncio.gather(*asked)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    return list(found)


async def connect(port: int) -> asyncio.StreamWriter | None:
    """A connection of the stranger; None where it is refused."""
    try:
        opened = asyncio.open_connection("127.0.0.1", port, local_addr=(STRANGER, 0))
        return (await asyncio.wait_for(opened, 5))[1]
    except (OSError, TimeoutError):
        return None


async def idle(port: int) -> None:
    """Open as many connections as one client may have, and say nothing."""
    kept = [await connect(port) for _ in range(50)]
    await asyncio.sleep(3600)
    del kept


async def trickle(port: int) -> None:
    """Send requests letter by letter."""

    async def one() -> None:
        while (writer := await connect(port)) is not None:
            try:
                for letter in (
                    b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 99
                ):
                    writer.write(bytes([letter]))
                    await writer.drain()
                    await asyncio.sleep(0.5)
            except OSError:
                continue

    await asyncio.gather(*(one() for _ in range(50)))


async def crowd(port: int) -> None:
    """Open 500 connections, again and again."""
    while True:
        kept = await asyncio.gather(*(connect(port) for _ in range(500)))
        await asyncio.sleep(1)
        for writer in kept:
            if writer is not None:
                writer.close()


WAYS: tuple[Callable[[int], Coroutine[None, None, None]], ...] = (idle, trickle, crowd)


@asynccontextmanager
async def misbehaving(
    way: Callable[[int], Coroutine[None, None, None]], port: int
) -> AsyncIterator[None]:
    """Let a client misbehave in one way."""
    task = asyncio.create_task(way(port))
    await asyncio.sleep(2)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def load(port: int) -> float:
    """Seconds until a page has come with its scripts and style sheets, over new connections."""
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        page = (await client.get("/")).raise_for_status().text
        files = set(re.findall(r'"(/static/[\w.-]+)"', page))
        answers = await asyncio.gather(*(client.get(file) for file in files))
        assert all(answer.is_success for answer in answers)
        await client.get("/api/latest")
    return time.perf_counter() - began


async def loads(port: int, way: Callable[[int], Coroutine[None, None, None]]) -> list[float]:
    """Seconds of ten loads, one after the other, while a client misbehaves."""
    async with misbehaving(way, port):
        return [await load(port) for _ in range(10)]


def disturbed(tree: Path, bundle: Path) -> dict[str, float]:
    """Seconds of the slowest of ten loads, by the way in which a client misbehaves."""
    with device(tree, bundle) as port:
        return {way.__name__: max(asyncio.run(loads(port, way))) for way in WAYS}


def main() -> None:
    """Measure, print tables, and fail where a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another checkout")
    arguments = parser.parse_args()
    own = Path(__file__).resolve().parents[1]
    trees = [own] if arguments.against is None else [own, arguments.against.resolve()]
    found: list[list[float]] = [[] for _ in trees]
    with tempfile.TemporaryDirectory() as name:
        bundles = [build(tree, Path(name, str(place))) for place, tree in enumerate(trees)]
        for _ in range(arguments.rounds):
            for tree, bundle, measured in zip(trees, bundles, found, strict=True):
                with device(tree, bundle) as port:
                    measured += asyncio.run(latencies(port, arguments.seconds))
        slowest = disturbed(own, bundles[0])
    print("| program | requests | median, ms | 99 %, ms |\n| --- | --- | --- | --- |")
    late = [float(np.percentile(measured, 99)) for measured in found]
    for name, measured, p99 in zip(("this one", "against"), found, late, strict=False):
        print(f"| {name} | {len(measured)} | {np.median(measured):.1f} | {p99:.1f} |")
    print("\n| a client misbehaves | slowest of ten loads, s |\n| --- | --- |")
    for way, took in slowest.items():
        print(f"| {way} | {took:.2f} |")
    missed = late[0] > MOST_RATIO * late[-1] or max(slowest.values()) > MOST_LOAD_S
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
