"""What a device's first catalogue is made of, where that is found, and how it is built here.

It may be a bundle, which `visual-search catalog build` made elsewhere; a folder of photos or a
table, of which the device builds one itself; or the demonstration, which the device also draws.
It does so in its data folder, as the user of its services.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import click
import tomlkit

from catalog.bundles.manifest import MANIFEST, verify
from catalog.core import durable
from catalog.core.errors import ContentError, ShelfError, VisualSearchError, is_packaged
from catalog.core.terminal import counted

STICKS = (Path("/media"), Path("/run/media"), Path("/mnt"))  # where sticks are mounted
DEEPEST = 3  # folders below these that are looked into
INSTALL, PACKAGES = "install", "visual-search_*.deb"  # in the folder that is installed from
LAUNCHER = Path("/usr/bin/visual-search")  # where root calls it, it becomes the services' user
OPTION = re.compile(r"(?<!\S)--[a-z]")  # of the build, in an error that says what may help
BUILT = "first-catalogue.bundle"  # in the data folder, until the shelf has its copy
DEMONSTRATION: Final = "demonstration"  # in place of a path: its goods are drawn on the device
DRAWN = Path("demo", "photos")  # in the data folder, as `visual-search demo` has them, too

Origin = Path | Literal["demonstration"]


def is_bundle(place: Path) -> bool:
    """Whether a place holds a bundle, and not what one is built from."""
    return (place / MANIFEST).is_file()


def check_place(place: Path) -> None:
    """Check that a catalogue can come of what lies at a place; photos are not opened.

    Raises:
        ContentError: It is neither a bundle, nor a folder of photos, nor a table that can be read.
    """
    from catalog.sources.read import read_source

    if is_bundle(place):
        return
    try:
        items = read_source(place).items
    except OSError as error:
        raise ContentError(f"{place}: cannot be read: {error.strerror}") from error
    except ContentError as error:
        if not OPTION.search(str(error)):
            raise
        raise ContentError(
            f"{error}. An option is given to 'visual-search catalog build {place} --out BUNDLE'; "
            "set the device up from that bundle then"
        ) from error
    if not any(item.photos for item in items):
        raise ContentError(f"{place}: no item in it has a photo, and at least one needs one")


def check_whole(place: Path) -> None:
    """Check as `check_place` does, and read all of a bundle.

    Raises:
        ContentError: No catalogue can come of it, or the bundle is damaged.
    """
    check_place(place)
    if is_bundle(place):
        verify(place)


def is_install_folder(folder: Path) -> bool:
    """Whether a folder is one that devices are installed from, and can be read."""
    try:
        return (folder / INSTALL).is_file() and any(folder.glob(PACKAGES))
    except OSError:
        return False


def current_folder() -> Path:
    """The folder in which the program was called; the root folder where that is gone."""
    try:
        return Path.cwd()
    except OSError:  # as of a stick that was pulled out
        return Path("/")


def beside_install(folders: Iterable[Path]) -> list[Path]:
    """The bundles, folders of photos and tables that lie beside `install` in some folders."""
    from catalog.sources.tables.read import TABLES

    found = []
    for folder in folders:
        if not is_install_folder(folder):
            continue
        places: list[Path] = []
        with suppress(OSError):
            places = sorted(folder.iterdir())
        for place in places:
            with suppress(VisualSearchError, OSError):
                if place.is_dir() or place.suffix.lower() in TABLES:
                    check_place(place)
                    found.append(place)
    return found


def install_folders(sticks: Iterable[Path] = STICKS) -> list[Path]:
    """The folders on the sticks that are mounted in which a file `install` lies."""
    found = []
    for stick in sticks:
        for depth in range(DEEPEST + 1):
            with suppress(OSError):
                found += [file.parent for file in stick.glob(f"{'*/' * depth}{INSTALL}")]
    return sorted(found)


def program() -> list[str]:
    """What runs this program as the user of its services, where root runs it."""
    if os.geteuid() == 0 and is_packaged() and LAUNCHER.exists():
        return [str(LAUNCHER)]
    # -P: no module may come from the current folder, which is often the stick's.
    return [sys.executable, "-P", "-m", "visual_search"]


@contextmanager
def bundle_of(
    place: Origin | None, data: Path, settings: str, *, is_read: bool = True
) -> Iterator[Path | None]:
    """The bundle to begin with, for the time of a `with` block; None for none.

    Where photos or a table lie at the place, it is built first, and its progress is shown. The
    photos of the demonstration are drawn before, and stay, to be shown to a camera.

    Args:
        place: A bundle, a folder of photos, a table, or the demonstration; None for none.
        data: The data folder.
        settings: The text of a settings file, whose section ``[catalog]`` counts.
        is_read: Whether somebody reads what is printed.

    Raises:
        ContentError: It could not be built; why is printed, or said where nobody reads that.
        ShelfError: The data folder cannot be used, or another catalogue is being built in it.
    """
    if place is None or (place != DEMONSTRATION and is_bundle(place)):
        yield place
        return
    out, title = data / BUILT, list[str]()
    try:
        durable.make_private_folder(out.parent)
    except OSError as error:
        raise ShelfError(f"{out.parent}: cannot be made: {error.strerror}") from error
    with _alone(data):
        if place == DEMONSTRATION:
            click.echo("drawing the demonstration's goods; this may take some minutes")
            words = ["catalog", "draw", str(data / DRAWN), "--json"]
            _run(words, DEMONSTRATION, is_read=is_read)
            place, title = data / DRAWN / "items.csv", ["--title", "Demonstration"]
        click.echo(
            f"building the catalogue on this device from {place}; this may take some minutes"
        )
        try:
            made = _build(place, out, settings, title, is_read=is_read)
            items, photos = (counted(made[f"{name}s"], name) for name in ("item", "photo"))
            click.echo(f"the catalogue has {items} and {photos}")
            yield out
        finally:
            shutil.rmtree(out, ignore_errors=True)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data folder itself as a lock: no file of root's is made in another user's folder."""
    try:
        opened = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ShelfError(f"{data}: cannot be read: {error.strerror}") from error
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShelfError(
                f"{data}: another setup builds its catalogue here; wait until it has ended"
            ) from error
        yield
    finally:
        os.close(opened)


def _build(
    place: Path, out: Path, settings: str, title: list[str], *, is_read: bool
) -> dict[str, int]:
    """Build a bundle; returns how many items and photos it has."""
    catalog = tomlkit.parse(settings).get("catalog", {})
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "visual-search.toml")
        config.write_text(tomlkit.dumps({"catalog": catalog}), encoding="utf-8")
        words = ["--config", str(config), "catalog", "build", str(place), "--out", str(out)]
        printed = _run([*words, "--json", *title], place, is_read=is_read)
    try:
        made = json.loads(printed)
        return {key: int(made[key]) for key in ("items", "photos")}
    except (ValueError, LookupError, TypeError) as error:
        raise ContentError(
            f"{place}: what built a catalogue of it does not say what is in it"
        ) from error


def _run(words: list[str], origin: Origin, *, is_read: bool) -> str:
    """Run a command of this program in a process of its own; returns what it printed.

    So its memory comes back, and root draws and builds nothing in another user's folder.

    Raises:
        ContentError: It failed; why is printed, or said where nobody reads that.
    """
    done = subprocess.run(
        [*program(), *words],
        stdout=subprocess.PIPE,
        stderr=None if is_read else subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if done.stderr:
        click.echo(done.stderr, err=True, nl=False)
    if done.returncode != 0:
        why = "; the line above says why" if is_read else f": {_reason(done.stderr)}"
        raise ContentError(f"{origin}: no catalogue could be built of it{why}")
    return done.stdout


def _reason(printed: str) -> str:
    """The last error of what a program printed, else its last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it does not say why"])[-1]
