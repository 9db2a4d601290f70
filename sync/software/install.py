"""Install a release's wheels into a virtual environment of their own, without a network."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from catalog.bundles.manifest import file_digest
from catalog.bundles.shelf import unwritable
from catalog.core import durable
from catalog.core.errors import SurroundingsError
from sync.errors import ForgedError
from sync.software.versions import INSTALLED
from sync.trust.software import WHEELS, Software

TIMEOUT_S = 1800.0  # for half a gigabyte onto a slow card
PROGRAM = "bin/visual-search"


def target() -> str:
    """The Python and machine of this device, as folders of wheels name them."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}"


def wheels_of(software: Software) -> list[str]:
    """The names of the wheels that this device installs.

    Raises:
        SurroundingsError: The release has none for this Python and machine.
    """
    folder = f"{WHEELS}/{target()}/"
    names = [name for name in software.wheels if name.startswith(folder)]
    if not names:
        there = sorted({name.split("/")[1] for name in software.wheels})
        raise SurroundingsError(
            f"release {software.version} has no wheels for {target()}; it has some for: "
            f"{', '.join(there) or 'nothing'}"
        )
    return names


@contextmanager
def copied(software: Software, release: Path, folder: Path) -> Iterator[dict[str, Path]]:
    """Copy the wheels for this device from a release's folder, for the time of a `with` block.

    The copies are verified, not the originals: a stick can change after it was read.

    Args:
        software: The verified release.
        release: The folder that holds it.
        folder: Where the copies go, out of reach of other users; it is removed at the end.

    Raises:
        ForgedError: A wheel is not what was signed.
        SurroundingsError: The release has no wheels for this device, or a copy cannot be made.
    """
    names = wheels_of(software)
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    try:
        try:
            durable.make_private_folder(folder)
            copies = {name: folder / software.files[name].sha256 for name in names}
            for name, copy in copies.items():
                shutil.copyfile(release / name, copy)
                if file_digest(copy) != software.files[name].sha256:
                    raise ForgedError(
                        f"{release}: {name} is not what was signed; copy the release again"
                    )
        except OSError as error:
            raise unwritable(folder, error) from error
        yield copies
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(software: Software, wheels: Mapping[str, Path], folder: Path) -> None:
    """Install verified wheels into a new environment, and flush it to the disk.

    Args:
        software: The release.
        wheels: The file of each wheel, by its name in the release.
        folder: Where the environment stays; must not exist.

    Raises:
        SurroundingsError: pip, or what makes environments, refuses.
        OSError: The disk is full, or cannot be written.
    """
    folder.mkdir(parents=True)
    named = folder / "wheels"  # pip reads name and version from a file's name
    named.mkdir()
    for name, file in wheels.items():
        (named / Path(name).name).symlink_to(file.absolute())
    _run(folder, sys.executable, "-I", "-m", "venv", "--without-pip", str(folder))
    pip = [str(folder / "bin" / "python"), _own_pip(), "--disable-pip-version-check"]
    files = sorted(str(file) for file in named.iterdir())
    _run(folder, *pip, "install", "--quiet", "--no-index", "--no-deps", *files)
    _run(folder, *pip, "check")
    for link in named.iterdir():
        link.unlink()
    named.rmdir()
    if not (folder / PROGRAM).is_file():
        raise SurroundingsError(f"release {software.version}: installs no {PROGRAM}")
    os.sync()  # thousands of files: one call instead of one for each
    durable.write(folder / INSTALLED, software.content)


def bound_to_this_process(command: list[str]) -> list[str]:
    """A command that the kernel kills when this process dies, so that no orphan goes on."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def _own_pip() -> str:
    """The script by which this program's pip installs into another environment.

    ``pip --python`` runs the same one, but as a process of its own, which would outlive this one.
    """
    found = find_spec("pip")
    runner = Path(found.origin or "").with_name("__pip-runner__.py") if found else Path()
    if not runner.is_file():
        raise SurroundingsError("pip is missing; install the program from its wheels again")
    return str(runner)


def _run(home: Path, *command: str) -> None:
    """Run a command whose home is `home`: pip asks other tools, which leave files in theirs."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON"))  # what the device's owner set for other programs
    }
    try:
        done = subprocess.run(
            bound_to_this_process(list(command)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**environment, "PIP_CONFIG_FILE": os.devnull, "HOME": str(home)},
        )
    except FileNotFoundError as error:
        raise SurroundingsError("setpriv is missing; install util-linux") from error
    except subprocess.TimeoutExpired as error:
        raise SurroundingsError(
            f"{' '.join(command[:4])}: took longer than {TIMEOUT_S:.0f} s"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise SurroundingsError(f"the release cannot be installed: {' '.join(said)}")
