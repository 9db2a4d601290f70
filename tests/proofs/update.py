"""Kill a device, and cut its power, while it updates its program; ``make update-test``.

    python -m tests.proofs.update [--calls 40] [--kills 30] [--cuts 30]

Each time the device has version 1.0.0 and takes 2.0.0 from its channel: real wheels, real pip,
real environments, a program that is started and asked over HTTP. It is killed at system calls of
its own, spread evenly, and at random moments, also while pip works; and the power of its disk is
cut. After each of these the current version must be complete, start and answer; and the next
update must end with 2.0.0. Cutting the power mounts a disk and needs root.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sync.software.proof import prove
from sync.software.updater import SoftwareUpdater
from sync.software.versions import SoftwareVersions
from sync.stores.choice import open_store
from sync.trust.keys import KeyFolder
from sync.trust.publish import ReleasePublisher
from tests.proofs.crash import points
from tests.proofs.crash.disk import Disk
from tests.proofs.crash.trials import sample
from tests.proofs.crash.world import COMMAND, ROOT, ProofError
from tests.support.repository import secret
from tests.support.stub_release import write_release

UPDATE = [*COMMAND, "sync", "software", "update"]
OLD, NEW = "1.0.0", "2.0.0"
MEGABYTES = 256


@dataclass
class World:
    """An owner who has published the new version, and a device with the old one.

    Attributes:
        folder: Where owner, store and the device's first state are.
        device: The device's data folder.
    """

    folder: Path
    device: Path

    def create(self) -> World:
        """Make keys, publish, install the old version."""
        store, release = self.folder / "store", self.folder / "release"
        store.mkdir(parents=True)
        keys = KeyFolder.create(self.folder / "keys", secret)
        write_release(release, NEW, keys)
        ReleasePublisher(open_store(store.as_uri()), keys).publish_software(release, "stable")
        old = write_release(release, OLD, keys)
        os.environ |= self.environment
        SoftwareUpdater.from_settings(None).install_folder(release, old)
        shutil.copytree(self.device / "software", self.folder / "template", symlinks=True)
        return self

    @property
    def environment(self) -> dict[str, str]:
        """For the device's processes."""
        return {
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",  # so that the nth call is the same call again
            "VISUAL_SEARCH_DEVICE__DATA_DIR": str(self.device),
            "VISUAL_SEARCH_SYNC__SOURCE": (self.folder / "store").as_uri(),
            "VISUAL_SEARCH_SYNC__ROOT": str(self.folder / "keys" / "root.json"),
            "VISUAL_SEARCH_SYNC__RESERVE_MB": "1",
        }

    def reset(self) -> None:
        """The device has the old version, and knows nothing of the new one."""
        for name in ("software", "trust"):
            shutil.rmtree(self.device / name, ignore_errors=True)
        shutil.copytree(self.folder / "template", self.device / "software", symlinks=True)
        os.sync()

    def hold(self, *versions: str) -> str:
        """The current version is one of these, starts and answers; it is returned.

        Raises:
            ProofError: It is not.
            ReleaseError: It does not start, or does not answer.
        """
        current = SoftwareVersions(self.device / "software").current()
        if current is None:
            raise ProofError("no version is there")
        if current.name.partition("-")[0] not in versions:
            raise ProofError(f"{current.name} is there, not one of {versions}")
        prove(current, None, self.device)  # the stub does not open the catalogue
        return current.name.partition("-")[0]

    def update(self) -> None:
        """Update to the end.

        Raises:
            ProofError: That failed, or ended with another version.
        """
        done = subprocess.run(UPDATE, capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise ProofError(f"update failed: {done.stdout} {done.stderr}")
        self.hold(NEW)
        left = list((self.device / "software" / "incoming").glob("*"))
        if left:
            raise ProofError(f"left behind: {left}")


def kill_after(seconds: float, before_the_kill: Callable[[], None] = lambda: None) -> None:
    """Start an update and kill it, and with the kernel's help all that it started."""
    process = subprocess.Popen(
        UPDATE, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(seconds)
    before_the_kill()
    process.kill()
    process.wait()


def trial(world: World, name: str, break_it: Callable[[], object]) -> str:
    """Break one update, look what is there, and update to the end."""
    world.reset()
    break_it()
    found = world.hold(OLD, NEW)
    world.update()
    print(f"{name}: {found} was there", file=sys.stderr, flush=True)
    return found


def run(calls: int, kills: int, cuts: int, seed: int = 1) -> Counter[str]:
    """Break so many updates of each kind; count the versions that were there afterwards."""
    moments, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="update-") as place:
        world = World(Path(place), Path(place, "device")).create()
        world.reset()
        began = time.monotonic()
        world.update()
        whole_s = time.monotonic() - began
        world.reset()
        for point in sample(points.record(UPDATE, world.device, dict(os.environ)), calls):
            killing = partial(points.kill_at, point, UPDATE, dict(os.environ))
            found[trial(world, f"killed at {point}", killing)] += 1
        for _ in range(kills):
            moment = moments.uniform(0, whole_s)
            found[trial(world, f"killed after {moment:.2f} s", partial(kill_after, moment))] += 1
    if not cuts:
        return found
    with (
        tempfile.TemporaryDirectory(prefix="update-") as place,
        Disk(Path(place, "image"), Path(place, "device"), MEGABYTES) as disk,
    ):
        world = World(Path(place), Path(place, "device")).create()

        def cut(moment: float) -> None:
            kill_after(moment, disk.cut_power)
            disk.power_on()

        for _ in range(cuts):
            moment = moments.uniform(0, whole_s)
            found[trial(world, f"power cut after {moment:.2f} s", partial(cut, moment))] += 1
    return found


def main() -> None:
    """Run it, and print what was there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=40, help="kills at system calls")
    parser.add_argument("--kills", type=int, default=30, help="kills at random moments")
    parser.add_argument("--cuts", type=int, default=30, help="power cuts")
    arguments = parser.parse_args()
    if arguments.cuts and os.geteuid() != 0:
        sys.exit("error: cutting the power mounts a disk and must run as root; or: --cuts 0")
    if arguments.calls and shutil.which("strace") is None:
        sys.exit("error: strace is needed; run: apt-get install -y strace")
    found = run(arguments.calls, arguments.kills, arguments.cuts)
    print(
        f"{found.total()} updates broken off: after each a version ran "
        f"({found[OLD]} the old one, {found[NEW]} the new one), and the next update succeeded"
    )


if __name__ == "__main__":
    main()
