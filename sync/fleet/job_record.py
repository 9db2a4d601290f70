"""A job that is under way on this device, how it ended, and the file that keeps both."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable

FILE = "job.json"  # in the state folder

Status = Literal["SUCCEEDED", "FAILED", "REJECTED"]

log = logging.getLogger(__name__)


class Result(BaseModel):
    """How a job ended: its status, and further words by their names."""

    model_config = ConfigDict(frozen=True)

    status: Status
    details: dict[str, str] = {}


@dataclass(frozen=True)
class Operation:
    """What a job can ask for.

    Attributes:
        prepare: Returns what must be known to carry it out again after a power cut without doing
            it twice; kept on the disk.
        carry_on: Carries it out, given what was prepared, and returns how it ended; None where it
            is still under way. It is called again then, and after a restart.
    """

    prepare: Callable[[], str]
    carry_on: Callable[[str], Result | None]


class Record(BaseModel):
    """The job that is under way.

    Attributes:
        job, execution: Its id, and the number of its execution.
        operation: What it asks for.
        prepared: As `Operation.prepare` returned it.
        attempts: How often it was begun.
        result: How it ended; None while it is under way.
    """

    model_config = ConfigDict(frozen=True)

    job: str
    execution: int | None = None
    operation: str = ""
    prepared: str = ""
    attempts: int = 1
    result: Result | None = None


class JobFile:
    """Keeps the job that is under way in the state folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def __str__(self) -> str:
        return str(self._file)

    def read(self) -> Record | None:
        """The job that was under way; None where there was none or the file cannot be read."""
        try:
            return Record.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.error("%s: cannot be read: %s", self._file, error)
            return None

    def write(self, record: Record) -> None:
        """Put a job onto the disk, so that it outlives a power cut.

        Raises:
            OSError: The state folder cannot be written.
        """
        durable.make_private_folder(self._file.parent)
        durable.write(self._file, record.model_dump_json().encode() + b"\n", durable.PRIVATE)

    def remove(self) -> None:
        """The job is over; where the file stays, it is not taken for the next job."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s: cannot be removed: %s", self._file, error.strerror)


def succeeded(**details: str) -> Result:
    """The operation was carried out."""
    return Result(status="SUCCEEDED", details=details)


def failed(message: str, **details: str) -> Result:
    """The operation could not be carried out."""
    return Result(status="FAILED", details={"message": message, **details})


def rejected(message: str) -> Result:
    """The job asks for nothing that this device does."""
    return Result(status="REJECTED", details={"message": message})
