"""A device, its owner and their store, for those who kill them.

Everything is done by the command, as people do it; what holds afterwards is read from the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from catalog.bundles.manifest import FileEntry, read_manifest, verify
from catalog.bundles.shelf import Shelf
from sync.trust.changes import parse_changes
from tests.proofs.crash.searcher import expect

COMMAND = [sys.executable, "-m", "visual_search"]
ROOT = Path(__file__).resolve().parents[3]
PAUSE_S = "0.002"  # of the searching process, so that it leaves time for what it watches
ITEMS = 120
EDITED = 12  # pictures that the edited bundle has otherwise than the old one
CHANNEL = "stable"
SECONDS = 180


class ProofError(AssertionError):
    """Something that must hold does not."""


class Owner:
    """An owner's keys and bundles of the same items, with other titles.

    The new bundle has other pictures than the old one. The edited one has all but a few of the old
    one's, so that a device makes most of it by itself.

    Args:
        folder: Where they are kept.
        items: How many items a bundle has, each with one picture.
        network: The folder of the network to build with; None: those of the program.
    """

    def __init__(self, folder: Path, items: int = ITEMS, network: Path | None = None) -> None:
        self.folder = folder
        self.items = items
        self._network = [] if network is None else ["--model", str(network)]
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",  # so that the nth call is the same call again
            "OMP_NUM_THREADS": "1",
            "VISUAL_SEARCH_CATALOG__CACHE_DIR": str(folder / "cache"),
            "VISUAL_SEARCH_CATALOG__READ_TEXT": "false",  # it takes minutes, and there is no text
        }
        self.keys = ["--keys", str(folder / "keys"), "--passphrase-file", str(folder / "secret")]
        self.expected = folder / "expected.json"
        self.bundles = {name: folder / f"{name}.bundle" for name in ("old", "new", "edited")}

    def create(self) -> Owner:
        """Make the keys, draw, and build."""
        secret = self.folder / "secret"
        secret.write_text("correct horse battery staple\n")
        secret.chmod(0o600)
        run(self.environment, "sync", "keys", "init", str(self.folder / "keys"), *self.keys[2:])
        for seed, (name, bundle) in enumerate(self.bundles.items()):
            draw(self.photos(name), seed, name, self.items)
            if name == "edited":
                for number in range(EDITED, self.items):
                    picture = f"{number}.jpg"
                    shutil.copyfile(self.photos("old") / picture, self.photos(name) / picture)
            run(self.environment, *self.building(name, bundle))
        expect(self.expected, self.bundles.values())
        return self

    def building(self, name: str, bundle: Path) -> list[str]:
        """The command's arguments that build one of the bundles."""
        table = str(self.photos(name) / "items.csv")
        return ["catalog", "build", table, "--out", str(bundle), *self._network]

    def photos(self, name: str) -> Path:
        """The folder that one of the bundles is built from."""
        return self.folder / f"photos-{name}"


class World:
    """A device, and a store in which its owner has published the old bundle.

    Args:
        owner: Who publishes.
        folder: Where things are kept.
        device: The device's data folder, which may be on another disk.
        source: Address of the store, empty so far.
        environment: Variables on top of the owner's.
    """

    def __init__(
        self, owner: Owner, folder: Path, device: Path, source: str, environment: dict[str, str]
    ) -> None:
        self.owner = owner
        self.folder = folder
        self.device = device
        self.source = source
        self.shelf = Shelf(device / "shelf")
        self.template = folder / "template"
        self.environment = {
            **owner.environment,
            **environment,
            "VISUAL_SEARCH_DEVICE__DATA_DIR": str(device),
            "VISUAL_SEARCH_SYNC__SOURCE": source,
            "VISUAL_SEARCH_SYNC__CHANNEL": CHANNEL,
            "VISUAL_SEARCH_SYNC__ROOT": str(owner.folder / "keys" / "root.json"),
        }

    def create(self) -> World:
        """Publish the old bundle and let the device install it."""
        self.publish("old")
        self.run("sync", "once")
        self.hold("old")
        kept = shutil.ignore_patterns("lost+found")
        shutil.copytree(self.device, self.template, symlinks=True, ignore=kept)
        return self

    def publish(self, name: str) -> None:
        """Publish one of the bundles."""
        self.run(*self.publishing(name))

    def publishing(self, name: str) -> list[str]:
        """The command's arguments that publish a bundle."""
        options = ["--channel", CHANNEL, *self.owner.keys]
        return ["sync", "publish", str(self.owner.bundles[name]), self.source, *options]

    def delegating(self) -> list[str]:
        """The command's arguments that give the channel a key of its own."""
        return [*self.asking("delegate"), "--channel", CHANNEL]

    def asking(self, name: str) -> list[str]:
        """The arguments of one of the commands for keys of channels."""
        return ["sync", "keys", name, self.source, *self.owner.keys]

    def reset(self) -> None:
        """The device as it was with the old bundle."""
        for child in self.device.iterdir():
            if child.name != "lost+found":
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        for child in self.template.iterdir():
            target = self.device / child.name
            if child.is_dir():
                shutil.copytree(child, target, symlinks=True)
            else:
                shutil.copy2(child, target)

    def run(self, *arguments: str) -> str:
        """Run the command to its end; see `run`."""
        return run(self.environment, *arguments)

    def identity(self, name: str) -> str:
        """The id of one of the bundles."""
        return verify(self.owner.bundles[name])[1]

    def hold(self, *names: str) -> str:
        """The active bundle is one of these, whole; its name is returned.

        Raises:
            ProofError: It is not.
        """
        active = self.shelf.active()
        if active is None:
            raise ProofError("nothing is active")
        identities = {self.identity(name): name for name in names}
        if active.name not in identities:
            raise ProofError(f"{active.name} is active, not one of {sorted(identities)}")
        if verify(active)[1] != active.name:
            raise ProofError(f"{active.name} holds another bundle")
        return identities[active.name]

    def files(self, name: str) -> Collection[FileEntry]:
        """What the manifest of one of the bundles names."""
        return read_manifest(self.owner.bundles[name])[0].files.values()

    def contents(self, name: str) -> dict[str, int]:
        """Bytes, by digest, of what may be fetched of one of the bundles, the newest release."""
        files = {entry.sha256: entry.bytes for entry in self.files(name)}
        changes = (self.device / "trust" / "changes" / CHANNEL).read_bytes()
        return files | parse_changes(changes, self.identity(name)).pieces()

    def taken(self, name: str, fetched: dict[str, int]) -> int:
        """Bytes that the device took of one of the bundles.

        Args:
            name: The bundle's name.
            fetched: The bytes, by digest, of what is fetched of it.
        """
        if (self.shelf.versions / self.identity(name)).exists():
            return sum(fetched.values())
        return sum(
            file.stat().st_size
            for file in self.shelf.incoming.glob("*")
            if file.is_file() and file.suffix in ("", ".part") and file.stem in fetched
        )

    def searching(self) -> Searching:
        """A process that searches the active bundle while the context lasts."""
        return Searching(self)


class Searching:
    """A searching process; `close` returns its report."""

    def __init__(self, world: World) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proofs.crash.searcher", str(world.shelf.folder),
             str(world.owner.expected), PAUSE_S],
            cwd=ROOT,
            env=world.environment,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def close(self) -> dict[str, object]:
        """End it.

        Raises:
            ProofError: It died, or an answer was wrong.
        """
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=30)
        if self._process.returncode != 0:
            raise ProofError(f"the searching process ended with {self._process.returncode}")
        report: dict[str, object] = json.loads(said)
        if report["wrong"]:
            raise ProofError(f"wrong answers: {report['wrong']}")
        if not report["answers"]:
            raise ProofError("the searching process got no answer")
        return report

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.communicate(timeout=30)


def run(environment: dict[str, str], *arguments: str) -> str:
    """Run the command to its end; return what it printed.

    Raises:
        ProofError: It failed.
    """
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ProofError(f"{' '.join(arguments[:2])} failed: {said}")
    return done.stdout


def draw(folder: Path, seed: int, title: str, items: int) -> None:
    """A table of items with a drawn picture each; the title tells the versions apart."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    lines = ["sku,title,photo"]
    for number in range(items):
        colours = random.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        picture = cv2.resize(colours, (192, 192), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        lines.append(f"{number},{title} thing {number},{number}.jpg")
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
