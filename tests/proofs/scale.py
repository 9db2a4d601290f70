"""Show that a build on Ray gives the bytes of a local build, whatever dies on the way.

    python -m tests.proofs.scale [--things THINGS]

The same photos, some of which cannot be used, are built on threads; on Ray with one worker and with
two; with a worker that is killed as soon as records are in the store; and with a driver that is
killed then and started again; on two machines, and on two of which one is lost then. Each bundle
must have the files of the first, byte for byte, the same calibration and the same photos left out.
Ray is a real cluster of local processes; the two machines are network namespaces, which need root.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.proofs.two_machines import Cluster, two_machines, workers_of
from tests.support.drawing import write_things

THINGS, PHOTOS = 100, 5
SAME = "vectors.npy index.ann colours.npy pictures.db items.db words.db probes.npz".split()
PATIENCE = 120.0  # seconds, for processes to die
SPOILT = ("thing-03/spoilt.jpg", "thing-20/empty.png")


def start(
    photos: Path, run: Path, *options: str, cluster: Cluster | None = None
) -> subprocess.Popen[bytes]:
    """Start a build with a cache and, on Ray, a store of its own."""
    run.mkdir(exist_ok=True)
    surroundings = os.environ | {"VISUAL_SEARCH_CATALOG__CACHE_DIR": str(run / "cache")}
    surroundings.pop("RAY_ADDRESS", None)
    words = ["catalog", "build", str(photos), "--out", str(run / "bundle"), "--model", "embedded"]
    command = [sys.executable, "-m", "visual_search", *words, "--no-read", "--json", *options]
    if cluster is not None:
        surroundings["RAY_ADDRESS"] = cluster.address
        command = cluster.command(*command)
    with (run / "out").open("wb") as out, (run / "errors").open("wb") as errors:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            env=surroundings,
        )


def finish(build: subprocess.Popen[bytes], run: Path) -> dict[str, Any]:
    """Wait for a build and return its report."""
    if build.wait() != 0:
        raise SystemExit(f"{run.name}: the build failed:\n{(run / 'errors').read_text()}")
    report: dict[str, Any] = json.loads((run / "out").read_text())
    return report


def on_ray(run: Path, workers: int) -> tuple[str, ...]:
    """Return the options of a build on Ray."""
    return "--on", "ray", "--workers", str(workers), "--store", str(run / "store")


def wait_for_records(build: subprocess.Popen[bytes], run: Path) -> None:
    """Wait until a build has written records into its store."""
    while not list((run / "store" / "photos").glob("*/new/*.parquet")):
        if build.poll() is not None:
            raise SystemExit(f"{run.name}: it ended too early:\n{(run / 'errors').read_text()}")
        time.sleep(0.01)


def check_loopback(build: subprocess.Popen[bytes]) -> None:
    """Check that a build's processes listen on the loopback interface alone."""
    root = psutil.Process(build.pid)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections(kind="inet"):
                address = ipaddress.ip_address(connection.laddr.ip.removeprefix("::ffff:"))
                if connection.status == psutil.CONN_LISTEN and not address.is_loopback:
                    raise SystemExit(f"{process.name()} listens on {connection.laddr}")


def worker_killed(photos: Path, run: Path) -> dict[str, Any]:
    """Build while a worker is killed."""
    build = start(photos, run, *on_ray(run, 2))
    wait_for_records(build, run)
    check_loopback(build)
    found = workers_of(psutil.Process(build.pid).children(recursive=True))
    if not found:
        raise SystemExit(f"{run.name}: there is no worker to kill")
    found[0].kill()
    return finish(build, run)


def driver_killed(photos: Path, run: Path) -> dict[str, Any]:
    """Build while the driver is killed, and build again; the second build goes on."""
    build = start(photos, run, *on_ray(run, 2))
    wait_for_records(build, run)
    cluster = psutil.Process(build.pid).children(recursive=True)
    build.kill()
    build.wait()
    _, left = psutil.wait_procs(cluster, PATIENCE)
    for process in left:
        process.kill()
    if left:
        raise SystemExit(f"{run.name}: {len(left)} processes of Ray outlived their driver")
    report = finish(start(photos, run, *on_ray(run, 2)), run)
    if not 0 < report["reused"] < report["photos"]:
        raise SystemExit(f"{run.name}: {report['reused']} photos were reused")
    return report


def wait_for_both(build: subprocess.Popen[bytes], run: Path, cluster: Cluster) -> None:
    """Wait for records, and check that both machines make them."""
    wait_for_records(build, run)
    if not all(cluster.workers()):
        raise SystemExit(f"{run.name}: one of them looks at no photos: {cluster.workers()}")


def two_machines_used(photos: Path, run: Path) -> dict[str, Any]:
    """Build on two machines."""
    with two_machines() as cluster:
        build = start(photos, run, *on_ray(run, 2), cluster=cluster)
        wait_for_both(build, run, cluster)
        return finish(build, run)


def machine_lost(photos: Path, run: Path) -> dict[str, Any]:
    """Build on two machines, of which one is lost."""
    with two_machines() as cluster:
        build = start(photos, run, *on_ray(run, 2), cluster=cluster)
        wait_for_both(build, run, cluster)
        cluster.lose_machine()
        return finish(build, run)


def compare(first: Path, expected: dict[str, Any], run: Path, report: dict[str, Any]) -> None:
    """Compare a bundle and its report with the first.

    Raises:
        SystemExit: They differ.
    """
    here, there = run / "bundle", first / "bundle"
    names = {path.name for path in (here / "printed").glob("*")}
    if names != {path.name for path in (there / "printed").glob("*")}:
        raise SystemExit(f"{run.name}: other local features")
    for name in (*SAME, *(f"printed/{name}" for name in names)):
        if (here / name).read_bytes() != (there / name).read_bytes():
            raise SystemExit(f"{run.name}: {name} differs")
    for field in ("calibration", "skipped", "copies", "photos", "items", "index"):
        if report[field] != expected[field]:
            raise SystemExit(f"{run.name}: {field} differs: {report[field]}")
    print(f"{run.name}: the same, {report['photos']} photos, {report['reused']} reused", flush=True)


def main() -> None:
    """Run all builds and compare them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--things", type=int, default=THINGS, help="each has five photos")
    things = parser.parse_args().things
    if os.geteuid() != 0:
        raise SystemExit("error: the two machines are network namespaces: run it as root")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = write_things(folder / "photos", things, PHOTOS)
        for name in SPOILT:
            (photos / name).write_bytes(b"no picture" if name.endswith("jpg") else b"")
        first = folder / "on threads"
        expected = finish(start(photos, first), first)
        if len(expected["skipped"]) != len(SPOILT):
            raise SystemExit(f"wanted were {len(SPOILT)} photos left out: {expected['skipped']}")
        for count in (1, 2):
            run = folder / f"on ray, workers {count}"
            report = finish(start(photos, run, *on_ray(run, count)), run)
            compare(first, expected, run, report)
        for name, break_it in (
            ("a worker killed", worker_killed),
            ("the driver killed", driver_killed),
            ("two machines", two_machines_used),
            ("a machine lost", machine_lost),
        ):
            run = folder / name
            compare(first, expected, run, break_it(photos, run))


if __name__ == "__main__":
    main()
