"""The versions of the program on a device, one of which runs.

::

    software/versions/<id>/     a virtual environment; complete when it holds installed.json
    software/incoming/          wheels that are being fetched
    software/current, previous  symbolic links, replaced in one step
    software/state.json         see `SoftwareState`
    software/lock               locked while the versions change

Services start ``software/current/bin/visual-search``, so what a link points to runs at the next
start. A version is installed at the path where it stays, because its programs name that path.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import ShelfBusyError, ShelfError
from catalog.core.locks import locked

INSTALLED = "installed.json"  # the release's list; written last
MOST_REJECTED = 20
LOCK_TIMEOUT_S = 10.0

log = logging.getLogger(__name__)


class Trial(BaseModel):
    """A version that runs, but is not yet known to work in the device's services.

    Attributes:
        version: Its id.
        pid, started: The appliance that was told to restart; `started` in clock ticks after boot.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    pid: int
    started: int


class SoftwareState(BaseModel):
    """What a device remembers of versions of its program.

    Attributes:
        releases: The number of each version's release.
        rejected: Why a version is not tried again, by its id.
        trial: The version on trial.
        outcome, message: How the last check ended.
    """

    model_config = ConfigDict(frozen=True)

    releases: dict[str, int] = {}
    rejected: dict[str, str] = {}
    trial: Trial | None = None
    outcome: str = "never"
    message: str = ""

    def with_rejected(self, version: str, reason: str) -> SoftwareState:
        """A copy that says why a version is not tried again."""
        rejected = {name: text for name, text in self.rejected.items() if name != version}
        kept = list(rejected.items())[1 - MOST_REJECTED :]
        return self.model_copy(update={"rejected": {**dict(kept), version: reason}})


class SoftwareVersions:
    """The versions in `folder` (``<data_dir>/software``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.versions = self.folder / "versions"
        self.incoming = self.folder / "incoming"

    def current(self) -> Path | None:
        """The folder of the version that runs at the next start, or None."""
        return self._target("current")

    def previous(self) -> Path | None:
        """The folder of the version before, or None."""
        return self._target("previous")

    def is_complete(self, version: str) -> bool:
        """Whether a version is installed to its end."""
        return (self.versions / version / INSTALLED).is_file()

    def state(self) -> SoftwareState:
        """Read the state; what is missing or damaged begins anew."""
        try:
            return SoftwareState.model_validate_json((self.folder / "state.json").read_bytes())
        except FileNotFoundError:
            return SoftwareState()
        except (OSError, ValidationError) as error:
            log.warning("%s: begun anew: %s", self.folder / "state.json", error)
            return SoftwareState()

    def save_state(self, state: SoftwareState) -> None:
        """Write the state, without releases of versions that are gone."""
        present = {path.name for path in self.versions.iterdir()}
        releases = {name: number for name, number in state.releases.items() if name in present}
        content = state.model_copy(update={"releases": releases}).model_dump_json(indent=1)
        durable.write(self.folder / "state.json", content.encode(), durable.PRIVATE)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let no other process change the versions for the time of a `with` block.

        Raises:
            ShelfBusyError: Another process is changing them.
            ShelfError: They cannot be written.
        """
        try:
            durable.make_folder(self.versions)
            with locked(self.folder / "lock", wait_s=LOCK_TIMEOUT_S):
                for temporary in self.folder.glob(".*"):  # of a process that was killed
                    temporary.unlink()
                yield
        except BlockingIOError as error:
            raise ShelfBusyError(
                f"{self.folder}: another process is changing the program; wait for it"
            ) from error
        except OSError as error:
            raise ShelfError(f"{self.folder}: cannot be written: {error}") from error

    def switch(self, version: str) -> None:
        """Let a complete version run from the next start on."""
        former = self.current()
        if former is not None and former.name != version:
            durable.point(self.folder / "previous", f"versions/{former.name}")
        durable.point(self.folder / "current", f"versions/{version}")

    def roll_back(self) -> Path:
        """Let the version before run from the next start on; it has no version before it then.

        Raises:
            ShelfError: There is none.
        """
        current, previous = self.current(), self.previous()
        if previous is None or previous == current:
            raise ShelfError(f"{self.folder}: there is no version to go back to")
        durable.point(self.folder / "current", f"versions/{previous.name}")
        (self.folder / "previous").unlink()
        durable.flush_folder(self.folder)
        return previous

    def prune(self) -> None:
        """Remove the versions that are neither current nor previous."""
        needed = {path for path in (self.current(), self.previous()) if path is not None}
        for version in self.versions.iterdir():
            if version not in needed:
                (version / INSTALLED).unlink(missing_ok=True)  # first: half a version is none
                durable.flush_folder(version)
                shutil.rmtree(version, ignore_errors=True)

    def _target(self, name: str) -> Path | None:
        try:
            target = self.versions / Path(os.readlink(self.folder / name)).name
        except OSError:
            return None
        return target if self.is_complete(target.name) else None
