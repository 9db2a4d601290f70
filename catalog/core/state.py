"""State files: edge and sync each write one that tells the other how they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import ShelfError

Camera = Literal["starting", "online", "offline"]
Phase = Literal["waiting", "opening", "open", "unable", "failed", "stopped"]
GOOD = ("never", "up-to-date", "installed", "pinned", "declined", "waiting")  # are no failure
UNPINNED = "unpinned; the next check follows the channel"  # a message
State = TypeVar("State", bound="_State")


class _State(BaseModel):
    # Built when they are used: a command that asks for one need not build all.
    model_config = ConfigDict(frozen=True, defer_build=True)


class EdgeState(_State):
    """The state that the edge process last reported.

    Attributes:
        phase: What it does with `bundle`; "waiting" where it has none, "unable" where it has the
            bundle open and cannot answer with it.
        bundle: Id of a bundle; empty where it has none.
        pid: Its process id.
        boot: The kernel's id of the boot in which it runs.
        message: Why it failed, or is unable.
        started: When the process began, in clock ticks after the boot.
        crashes: Number of earlier processes that died with this bundle without reporting an end.
        follows: Whether it opens each bundle that becomes active on the shelf.
    """

    phase: Phase
    bundle: str
    pid: int
    boot: str
    message: str = ""
    started: int = 0
    crashes: int = 0
    follows: bool = True

    @property
    def alive(self) -> bool:
        """Return whether the process that reported this still runs."""
        return self.boot == boot_id() and process_start(self.pid) == self.started

    @property
    def crashed(self) -> bool:
        """Return whether it died in this boot without reporting a stop or a failure."""
        return (
            self.phase in ("opening", "open")
            and self.boot == boot_id()
            and process_start(self.pid) != self.started
        )


class CameraStatus(_State):
    """How the camera is, as edge last reported it."""

    status: Camera


class Fetching(_State):
    """How far a running check has fetched a release.

    Attributes:
        bytes, total: How many bytes are here, of how many.
        at: When that was so.
    """

    bytes: int
    total: int
    at: AwareDatetime


class Version(_State):
    """A bundle and the number of its release; None where it did not come from a channel."""

    bundle: str
    release: int | None = None


class SyncState(_State):
    """The state that sync last reported.

    Attributes:
        outcome: How the last check ended: "never" (there was none yet), "up-to-date",
            "installed", "pinned", "waiting" (the newest release is taken in the window),
            "declined" (it is skipped, because the operator rolled back from it), "rejected" (it
            did not pass validation), "gone-back" (edge could not use it, so it was rolled back
            automatically), "disk-full", "not-set-up", "failed", or the `outcome` of a
            `TrustError` or `StoreError`.
        message: Why, in a sentence.
        source, channel: Where it looks for releases.
        active, previous, newest: Versions on the shelf, and the newest of the channel.
        pinned: Id of the pinned bundle.
        checked_at: When the last check ended.
        next_check_at: When the next check is due; None where no process will do it.
        bytes_fetched, bytes_fetched_ever: In the last check, and in all checks.
        fetching: How far the check that runs now is; None where none fetches.
        expires_at, ends: When the first signature expires, and whose it is: "root", "targets",
            "snapshot", "timestamp", or "channel-" and a channel that has a key of its own.
        clock: What is wrong with the clock; empty where nothing is.
    """

    outcome: str = "never"
    message: str = ""
    source: str = ""
    channel: str = ""
    active: Version | None = None
    previous: Version | None = None
    newest: Version | None = None
    pinned: str | None = None
    checked_at: AwareDatetime | None = None
    next_check_at: AwareDatetime | None = None
    bytes_fetched: int = 0
    bytes_fetched_ever: int = 0
    fetching: Fetching | None = None
    expires_at: AwareDatetime | None = None
    ends: str = ""
    clock: str = ""

    @property
    def failed(self) -> bool:
        """Return whether the last check failed."""
        return self.outcome not in GOOD


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_start(pid: int) -> int | None:
    """Return when a process began, in clock ticks after boot; None where it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # proc(5); the name in brackets may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def edge_state(phase: Phase, bundle: str, message: str = "", *, follows: bool = True) -> EdgeState:
    """Return the state of this process."""
    pid = os.getpid()
    return EdgeState(
        phase=phase,
        bundle=bundle,
        pid=pid,
        boot=boot_id(),
        message=message,
        started=process_start(pid) or 0,
        follows=follows,
    )


def write_edge_state(folder: Path, state: EdgeState) -> None:
    """Write ``edge.json`` durably into the state folder.

    Crashes of earlier processes with the same bundle are counted here, because a watcher may miss
    a process that is replaced at once by a new one.

    Raises:
        ShelfError: The folder cannot be written.
    """
    former = read_edge_state(folder)
    if former is not None and former.bundle == state.bundle:
        another = (former.pid, former.started) != (state.pid, state.started)
        crashes = former.crashes + (1 if another and former.crashed else 0)
        state = state.model_copy(update={"crashes": crashes})
    _write(folder, "edge.json", state)


def read_edge_state(folder: Path) -> EdgeState | None:
    """Read the state of edge; None where it never reported one or the file is not readable."""
    return _read(folder, "edge.json", EdgeState)


def write_camera(folder: Path, status: Camera) -> None:
    """Write ``camera.json`` durably into the state folder.

    Raises:
        ShelfError: The folder cannot be written.
    """
    _write(folder, "camera.json", CameraStatus(status=status))


def read_camera(folder: Path) -> Camera | None:
    """Read how the camera is; None where edge never wrote it or the file is not readable."""
    found = _read(folder, "camera.json", CameraStatus)
    return found.status if found is not None else None


def write_sync_state(folder: Path, state: SyncState) -> None:
    """Write ``sync.json`` durably into the state folder.

    Raises:
        ShelfError: The folder cannot be written.
    """
    _write(folder, "sync.json", state)


def read_sync_state(folder: Path) -> SyncState:
    """Read the state of sync; "never" where it never reported one or the file is not readable."""
    return _read(folder, "sync.json", SyncState) or SyncState()


def _write(folder: Path, name: str, state: _State) -> None:
    try:
        durable.make_private_folder(folder)
        content = (state.model_dump_json(indent=1) + "\n").encode()
        durable.write(folder / name, content, durable.PRIVATE)
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be written: {error.strerror}") from error


def _read(folder: Path, name: str, model: type[State]) -> State | None:
    try:
        return model.model_validate_json((folder / name).read_bytes())
    except (OSError, ValidationError):
        return None
