"""Measure what it costs to follow a channel, beside plain copying from the same store.

    python -m bench.link [PHOTOS]

The store is SeaweedFS on this machine. A proxy counts requests and bytes; it is left out where
times are compared. The catalogue is that of `bench.sizes`:
drawn pictures, synthetic vectors. The plain tool is Debian's ``aws s3 cp``.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.sizes import PHOTOS_AN_ITEM, photos_of
from catalog.building.build import build
from catalog.bundles.manifest import read_manifest
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from tests.proofs.crash.searcher import expect
from tests.support.faulty_proxy import FaultyProxy
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server

PHOTOS = 16_000
PAIRS = 5
COMMAND = [sys.executable, "-m", "visual_search"]
PLAIN = ["/usr/bin/aws", "s3", "cp", "--recursive", "--only-show-errors"]
TIMED = """
import sys, time
from sync.catalogues.pull import Puller
assemble = Puller._assemble  # called when each file's digest was right and the file is flushed
def timed(self, *what):
    print(f"fetched {time.time()}", file=sys.stderr, flush=True)
    return assemble(self, *what)
Puller._assemble = timed
from visual_search.command import main
main()
"""


class Link:
    """An owner, a store, and devices that follow it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.source = f"s3://{BUCKET}/bench"
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "VISUAL_SEARCH_SYNC__SOURCE": self.source,
            "VISUAL_SEARCH_SYNC__ROOT": str(folder / "keys" / "root.json"),
            "VISUAL_SEARCH_SYNC__ENDPOINT_URL": address,
        }
        secret = folder / "secret"
        secret.write_text("correct horse battery staple\n")
        secret.chmod(0o600)
        self._keys = ["--passphrase-file", str(secret)]
        self.run("sync", "keys", "init", str(folder / "keys"), *self._keys)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self.call([*COMMAND, *arguments], **variables)

    def call(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run any command with the environment that it needs to reach the store."""
        environment = {**self.environment, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
        return done

    def publish(self, bundle: Path) -> None:
        """Publish a bundle."""
        keys = ["--keys", str(self.folder / "keys"), *self._keys]
        endpoint = ["--endpoint-url", self.environment["VISUAL_SEARCH_SYNC__ENDPOINT_URL"]]
        self.run("sync", "publish", str(bundle), self.source, *keys, *endpoint)

    def pull(self, device: Path) -> tuple[float, float]:
        """Seconds of a pull: until the last byte is verified and flushed, and until its end."""
        data = {"VISUAL_SEARCH_DEVICE__DATA_DIR": str(device)}
        start = time.time()
        done = self.call([sys.executable, "-c", TIMED, "sync", "once"], **data)
        end = time.time()
        fetched = [line for line in done.stderr.splitlines() if line.startswith("fetched ")]
        return float(fetched[-1].split()[1]) - start, end - start


def catalogue(folder: Path, photos: int) -> tuple[Path, Path]:
    """Build a bundle, and another of the same photos in which every price has changed."""
    photos_of(folder, photos)
    entries = read_source(folder / "photos").items
    bundles = []
    for price in ("1.00", "1.10"):
        table = folder / "items.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("sku", "title", "price", "photo"))
            for entry in entries:
                for place in entry.photos:
                    writer.writerow((entry.item.sku, entry.item.title, price, place))
        bundles.append(folder / f"at-{price}.bundle")
        build(read_source(table).items, bundles[-1], Featurizer.open(), folder / "cache", "shop")
    return bundles[0], bundles[1]


def plain_copy(link: Link, target: Path) -> float:
    """Seconds that the plain tool needs to copy the same files, flushed."""
    start = time.time()
    link.call(
        [*PLAIN, f"{link.source}/files", str(target), "--endpoint-url",
         link.environment["VISUAL_SEARCH_SYNC__ENDPOINT_URL"]]
    )  # fmt: skip
    for file in target.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
    return time.time() - start


def full_pulls(link: Link, folder: Path) -> dict[str, float]:
    """Medians of full pulls beside plain copies, in pairs of alternating order."""
    pulls, wholes, copies = [], [], []
    for turn in range(PAIRS + 1):
        device, target = folder / "device", folder / "copy"
        for step in (0, 1) if turn % 2 else (1, 0):
            if step == 0:
                fetched, whole = link.pull(device)
            else:
                copied = plain_copy(link, target)
        if turn:  # the first pair warms up
            pulls.append(fetched)
            wholes.append(whole)
            copies.append(copied)
        shutil.rmtree(device)
        shutil.rmtree(target)
    ratios = [pull / copy for pull, copy in zip(pulls, copies, strict=True)]
    return {
        "full pull, start to last byte verified and flushed: s": statistics.median(pulls),
        "aws s3 cp of the same bytes, flushed: s": statistics.median(copies),
        "ratio": statistics.median(ratios),
        "verified once more, gate, switch and exit after that: s": statistics.median(
            whole - pull for whole, pull in zip(wholes, pulls, strict=True)
        ),
    }


def switch(link: Link, device: Path, expected: Path) -> dict[str, float]:
    """Pull while a process searches without a pause, and report what that process saw."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.proofs.crash.searcher", str(device / "shelf"), str(expected)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(5)
    link.run("sync", "once", VISUAL_SEARCH_DEVICE__DATA_DIR=str(device))
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    report = json.loads(process.communicate(timeout=60)[0])
    if report["wrong"] or len(report["seen"]) != 2:
        raise RuntimeError(f"the searching process saw {report}")
    return {
        "searching meanwhile, time between two answers, median: ms": report["p50_ms"],
        "the same, 99 %: ms": report["p99_ms"],
        "the same, longest, with the change-over: ms": report["longest_ms"],
    }


def counted(proxy: FaultyProxy, link: Link, device: Path) -> dict[str, float]:
    """Requests, bytes and milliseconds of a check."""
    before = len(proxy.requests)
    start = time.perf_counter()
    done = link.run(
        "sync", "once", VISUAL_SEARCH_DEVICE__DATA_DIR=str(device),
        VISUAL_SEARCH_SYNC__ENDPOINT_URL=proxy.address,
    )  # fmt: skip
    took = (time.perf_counter() - start) * 1000
    made = proxy.requests[before:]
    outcome = done.stdout.partition(":")[0]
    return {
        f"{outcome}: requests": len(made),
        f"{outcome}: bytes": sum(exchange.bytes for exchange in made),
        f"{outcome}: ms, process start to exit": took,
    }


def main() -> None:
    """Measure everything and print a table."""
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else PHOTOS
    with tempfile.TemporaryDirectory(prefix="link-") as name:
        folder = Path(name)
        first, repriced = catalogue(folder, photos)
        expect(folder / "expected.json", (first, repriced))
        server = S3Server(folder / "s3")
        proxy = FaultyProxy(server.address)
        try:
            link = Link(folder, server.address)
            link.publish(first)
            size = sum(entry.bytes for entry in read_manifest(first)[0].files.values())
            figures = {
                "photos": float(photos),
                "items": photos / PHOTOS_AN_ITEM,
                "bundle: MB": size / 1e6,
            }
            figures |= full_pulls(link, folder)
            device = folder / "following"
            link.pull(device)
            figures |= counted(proxy, link, device)
            copy = folder / "copy-of-device"
            shutil.copytree(device, copy, symlinks=True)
            link.publish(repriced)
            changed = counted(proxy, link, device)
            figures |= {f"every price changed: {key}": value for key, value in changed.items()}
            fetched = next(value for key, value in changed.items() if "bytes" in key)
            figures["every price changed: share of the bundle, %"] = 100 * fetched / size
            figures |= switch(link, copy, folder / "expected.json")
        finally:
            proxy.close()
            server.close()
    table = Table("what", "measured")
    for key, value in figures.items():
        table.add_row(key, f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
