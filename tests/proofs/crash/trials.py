"""What is done at each point, and what must hold afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from catalog.bundles.manifest import verify
from catalog.core import durable
from tests.proofs.crash import points
from tests.proofs.crash.disk import Disk
from tests.proofs.crash.points import Point
from tests.proofs.crash.world import COMMAND, SECONDS, Owner, ProofError, World, run

MOST_FETCHED = 1.1  # of one whole download, in sum over a kill and what follows it
PULL = [*COMMAND, "sync", "once"]

Name = Literal["new", "edited"]
Fetched = Callable[[str], int]  # bytes that the store sent so far, from paths with this in them
ShowProgress = Callable[[str], None]


@dataclass
class TrialCounts:
    """How many points were tried, how often with which outcome, and what failed."""

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        return f"{self.tried} points ({outcomes}), {len(self.failures)} failures"


def sample(found: Sequence[Point], most: int | None) -> list[Point]:
    """At most `most` of the points, evenly spread; all where it is None."""
    if most is None or len(found) <= most:
        return list(found)
    return [found[round(turn * (len(found) - 1) / (most - 1))] for turn in range(most)]


def pull(
    world: World,
    fetched: Fetched,
    most: int | None,
    progress: ShowProgress,
    new: Name = "new",
) -> TrialCounts:
    """Kill a pull that installs the new bundle, or the edited one.

    Of the killed pull counts what the device took off the link, whole files and parts; what
    lay in the kernel's buffers between store and device is nobody's. Of the next, all counts.
    """
    world.reset()
    already = {entry.sha256: fetched(entry.sha256) for entry in world.files("old")}
    before = fetched("")
    world.run("sync", "once")
    whole = fetched("") - before
    world.hold(new)
    needed = {
        digest: size
        for digest, size in world.contents(new).items()
        if fetched(digest) > already.get(digest, 0)
    }
    world.reset()
    found = points.record(PULL, world.device, world.environment)

    def trial(point: Point) -> str:
        world.reset()
        before = fetched("") - fetched("/files/")
        searching = world.searching()
        try:
            killed = points.kill_at(point, PULL, world.environment)
            outcome = world.hold("old", new)
            in_sum = fetched("") - fetched("/files/") - before + world.taken(new, needed)
            before = fetched("")
            world.run("sync", "once")
            in_sum += fetched("") - before
            world.hold(new)
            searching.close()
        except BaseException:
            searching.kill()
            raise
        if in_sum > MOST_FETCHED * whole:
            raise ProofError(f"{in_sum} bytes were fetched, one download has {whole}")
        return f"{outcome} active" if killed else "ended before"

    return _each(sample(found, most), trial, progress)


def power(
    world: World, disk: Disk, most: int | None, progress: ShowProgress, new: Name = "new"
) -> TrialCounts:
    """Cut the power during a pull that installs the new bundle, or the edited one."""
    world.reset()
    found = points.record(PULL, world.device, world.environment)

    def trial(point: Point) -> str:
        world.reset()
        durable.flush_tree(world.device)
        strace = points.stop_at(point, PULL, world.environment)
        try:
            reached = _wait(strace)
            disk.cut_power()
        finally:
            points.end(strace)
        disk.power_on()
        outcome = world.hold("old", new)
        world.run("sync", "once")
        world.hold(new)
        world.searching().close()
        return f"{outcome} active" if reached else "ended before"

    return _each(sample(found, most), trial, progress)


def publish(world: World, store: Path, most: int | None, progress: ShowProgress) -> TrialCounts:
    """Kill an owner who publishes the new bundle into the folder `store`."""

    def trial() -> str:
        world.run("sync", "once")
        outcome = world.hold("old", "new")
        world.publish("new")
        world.run("sync", "once")
        world.hold("new")
        return f"{outcome} served"

    return _owners(world, [store], world.publishing("new"), trial, most, progress)


def delegate(world: World, store: Path, most: int | None, progress: ShowProgress) -> TrialCounts:
    """Kill an owner who gives the channel a key of its own, in the folder `store`."""

    def trial() -> str:
        world.run("sync", "once")
        world.hold("old")
        has_key = json.loads(world.run(*world.asking("channels"), "--json"))
        world.run(*world.delegating())
        world.publish("new")
        world.run("sync", "once")
        world.hold("new")
        return "channel has a key" if has_key else "channel has none"

    places = [world.owner.folder / "keys", store]
    return _owners(world, places, world.delegating(), trial, most, progress)


def _owners(
    world: World,
    touched: Sequence[Path],
    arguments: Sequence[str],
    trial: Callable[[], str],
    most: int | None,
    progress: ShowProgress,
) -> TrialCounts:
    """Kill an owner's command where it touches some folders, and see what a device makes of it."""
    keys = world.owner.folder / "keys"  # the owner remembers there what was published
    store = touched[-1]
    kept = world.folder / "kept"
    for place in (store, keys):
        shutil.copytree(place, kept / place.name)
    command = [*COMMAND, *arguments]

    def reset() -> None:
        for place in (store, keys):
            shutil.rmtree(place)
            shutil.copytree(kept / place.name, place)
        world.reset()

    found = []
    for place in touched:
        reset()
        found += points.record(command, place, world.environment)

    def at(point: Point) -> str:
        reset()
        killed = points.kill_at(point, command, world.environment)
        outcome = trial()
        return outcome if killed else "ended before"

    try:
        return _each(sample(found, most), at, progress)
    finally:
        reset()


def build(owner: Owner, most: int | None, progress: ShowProgress) -> TrialCounts:
    """Kill `catalog build` of a bundle, whose features are cached."""
    out = owner.folder / "built"
    out.mkdir()
    target = out / "shop.bundle"
    arguments = owner.building("new", target)
    found = points.record([*COMMAND, *arguments], out, owner.environment)

    def trial(point: Point) -> str:
        shutil.rmtree(out)
        out.mkdir()
        killed = points.kill_at(point, [*COMMAND, *arguments], owner.environment)
        outcome = "none there"
        if target.exists():
            verify(target)
            outcome = "whole bundle there"
        run(owner.environment, *arguments)
        verify(target)
        left = {file.name for file in out.iterdir()} - {target.name}
        if left:
            raise ProofError(f"left behind: {sorted(left)}")
        return outcome if killed else "ended before"

    return _each(sample(found, most), trial, progress)


def _each(
    chosen: Sequence[Point], trial: Callable[[Point], str], progress: ShowProgress
) -> TrialCounts:
    counts = TrialCounts()
    for point in chosen:
        counts.tried += 1
        try:
            outcome = trial(point)
            counts.outcomes[outcome] += 1
        except Exception as error:
            outcome = f"FAILED: {type(error).__name__}: {error}"
            counts.failures.append(f"{point}: {outcome}")
        progress(f"{counts.tried} of {len(chosen)}: {point}: {outcome}")
    return counts


def _wait(strace: subprocess.Popen[bytes]) -> bool:
    """Wait until the process stands at its point (True) or has ended."""
    for _ in _ticks(SECONDS):
        if strace.poll() is not None:
            return False
        if points.is_stopped(strace):
            return True
    raise ProofError("neither stopped nor ended")


def _ticks(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
