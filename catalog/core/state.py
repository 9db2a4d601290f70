"""Small files by which two processes tell each other how they are; one writer each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.errors import ShelfError

Phase = Literal["opening", "open", "failed", "stopped"]
GOOD = ("never", "up-to-date", "installed", "pinned", "declined")  # outcomes that are no failure
State = TypeVar("State", bound="_State")


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)


class EdgeState(_State):
    """What the edge process last said.

    Attributes:
        phase: What it is doing with `bundle`.
        bundle: Id of a bundle.
        pid: The process, which began `started` clock ticks after the boot that `boot` names.
        message: Why it failed.
        crashes: How many processes before this one died without a word, with this bundle.
        follows: Whether it opens what becomes active on the shelf.
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
        """Whether the process that said it still runs."""
        return self.boot == boot_id() and process_start(self.pid) == self.started

    @property
    def crashed(self) -> bool:
        """Whether it died in this boot and did not say that it stops, nor that it failed."""
        return (
            self.phase in ("opening", "open")
            and self.boot == boot_id()
            and process_start(self.pid) != self.started
        )


class Version(_State):
    """A bundle and the number of its release; None where it did not come from a channel."""

    bundle: str
    release: int | None = None


class SyncState(_State):
    """What sync last said.

    Attributes:
        outcome: How the last check ended, in a word: "never" (nothing was checked yet),
            "up-to-date", "installed", "pinned", "declined" (the newest was rolled back from by
            hand), "rejected" (it did not prove itself), "gone-back" (edge could not live with
            it), "disk-full", "not-set-up", "failed", or the `outcome` of a `TrustError` or
            `StoreError`.
        message: Why, in a sentence.
        source, channel: Where it looks.
        active, previous, newest: Versions on the shelf, and the channel's newest.
        pinned: Id of the pinned bundle.
        checked_at: When the last check ended.
        next_check_at: When the next is due; None where no one is at work to do it.
        bytes_fetched: In the last check, and in all of them.
        expires_at, ends: When the first of the signatures runs out, and whose that is: "root",
            "targets", "snapshot" or "timestamp".
        clock: What is wrong with the clock; empty for nothing.
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
    expires_at: AwareDatetime | None = None
    ends: str = ""
    clock: str = ""

    @property
    def failed(self) -> bool:
        """Whether the last check did not end as it should."""
        return self.outcome not in GOOD


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_start(pid: int) -> int | None:
    """When a process began, in clock ticks after boot (proc(5), stat); None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # its name may hold anything
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
    """Say it, durably, in ``edge.json`` of the state folder.

    The crashes of former processes with the same bundle are counted here, since whoever watches
    may miss one that is followed at once by a new process.

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
    """What edge last said; None when it never did or the file is not readable."""
    return _read(folder, "edge.json", EdgeState)


def write_sync_state(folder: Path, state: SyncState) -> None:
    """Say it, durably, in ``sync.json`` of the state folder.

    Raises:
        ShelfError: The folder cannot be written.
    """
    _write(folder, "sync.json", state)


def read_sync_state(folder: Path) -> SyncState:
    """What sync last said; "never" when it never did or the file is not readable."""
    return _read(folder, "sync.json", SyncState) or SyncState()


def _write(folder: Path, name: str, state: _State) -> None:
    try:
        durable.make_folder(folder)
        durable.write(folder / name, (state.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be written: {error.strerror}") from error


def _read(folder: Path, name: str, model: type[State]) -> State | None:
    try:
        return model.model_validate_json((folder / name).read_bytes())
    except (OSError, ValidationError):
        return None
