"""Small files by which two processes tell each other how they are; one writer each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog import durable
from catalog.errors import ShelfError

Phase = Literal["opening", "open", "failed", "stopped"]


class EdgeState(BaseModel):
    """What the edge process last said: `pid` lived in the boot that `boot` names."""

    model_config = ConfigDict(frozen=True)

    phase: Phase
    bundle: str
    pid: int
    boot: str
    message: str = ""


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def edge_state(phase: Phase, bundle: str, message: str = "") -> EdgeState:
    """The state of this process."""
    return EdgeState(phase=phase, bundle=bundle, pid=os.getpid(), boot=boot_id(), message=message)


def write_edge_state(folder: Path, state: EdgeState) -> None:
    """Say it, durably, in ``edge.json`` of the state folder.

    Raises:
        ShelfError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        durable.write(folder / "edge.json", (state.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        raise ShelfError(f"{folder}: cannot be written: {error.strerror}") from error


def read_edge_state(folder: Path) -> EdgeState | None:
    """What edge last said; None when it never did or the file is not readable."""
    try:
        return EdgeState.model_validate_json((folder / "edge.json").read_bytes())
    except (OSError, ValidationError):
        return None
