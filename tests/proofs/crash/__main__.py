"""Kill it, and cut its power, at every call; ``python -m tests.proofs.crash --help``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests.proofs.crash import trials
from tests.proofs.crash.disk import Disk
from tests.proofs.crash.trials import TrialCounts
from tests.proofs.crash.world import Owner, World
from tests.support.faulty_proxy import FaultyProxy
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server

DISK = 256  # megabytes
SAMPLED = 30  # points for publish, delegate and build
POWER = 60
TRIALS = ("pull", "changes", "publish", "delegate", "build", "power", "changes-power")


@contextmanager
def store(folder: Path) -> Iterator[tuple[dict[str, str], trials.Fetched]]:
    """A real S3 store behind a proxy that counts; what a process needs to reach it."""
    server = S3Server(folder / "s3")
    proxy = FaultyProxy(server.address)
    try:
        environment = {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": proxy.address,
        }
        yield (
            environment,
            lambda part: sum(request.bytes for request in proxy.requests if part in request.path),
        )
    finally:
        proxy.close()
        server.close()


def try_all(
    owner: Owner,
    folder: Path,
    names: tuple[str, ...],
    most: int | None,
    progress: trials.ShowProgress,
) -> dict[str, TrialCounts]:
    """Run the named trials with at most `most` points each; None: as many as each is meant for."""
    results = {}

    def world(name: str, source: str, environment: dict[str, str]) -> World:
        (folder / name / "device").mkdir(parents=True, exist_ok=True)
        place = folder / name
        return World(owner, place, place / "device", source, environment).create()

    pulls: dict[str, trials.Name] = {"pull": "new", "changes": "edited"}
    for name, new in pulls.items():
        if name in names:
            with store(folder / name) as (environment, fetched):
                pulling = world(name, f"s3://{BUCKET}/{name}", environment)
                pulling.publish(new)
                results[name] = trials.pull(pulling, fetched, most, progress, new)
    owners = {"publish": trials.publish, "delegate": trials.delegate}
    for name, trial in owners.items():
        if name in names:
            kept = folder / name / "store"
            kept.mkdir(parents=True)
            owning = world(name, f"file://{kept}", {})
            results[name] = trial(owning, kept, most or SAMPLED, progress)
    if "build" in names:
        results["build"] = trials.build(owner, most or SAMPLED, progress)
    cuts: dict[str, trials.Name] = {"power": "new", "changes-power": "edited"}
    for name, new in cuts.items():
        if name in names:
            (folder / name / "store").mkdir(parents=True)
            with Disk(folder / name / "image", folder / name / "device", DISK) as disk:
                falling = world(name, f"file://{folder / name / 'store'}", {})
                falling.publish(new)
                results[name] = trials.power(falling, disk, most or POWER, progress, new)
    return results


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(TRIALS))
@click.option("--points", type=int, help="At most so many points each, evenly spread.")
def main(names: tuple[str, ...], points: int | None) -> None:
    """Kill `sync once`, the owner's commands and `catalog build`, and cut the device's power.

    \b
    Examples:
      python -m tests.proofs.crash
      python -m tests.proofs.crash pull --points 20
    """
    names = names or TRIALS
    if shutil.which("strace") is None:
        sys.exit("error: strace is needed; run: apt-get install -y strace")
    if {"power", "changes-power"} & set(names) and os.geteuid() != 0:
        sys.exit("error: cutting the power mounts a disk and must run as root; try: sudo make ...")
    with tempfile.TemporaryDirectory(prefix="crash-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "owner"
        home.mkdir()
        owner = Owner(home).create()
        results = try_all(
            owner, Path(folder), names, points, lambda line: click.echo(line, err=True)
        )
    for name, counts in results.items():
        click.echo(f"{name}: {counts}")
        for failure in counts.failures:
            click.echo(f"  {failure}")
    sys.exit(any(counts.failures for counts in results.values()))


if __name__ == "__main__":
    main()
