"""The result of a check for a newer release, as the state file and the log name it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.core.errors import (
    BundleError,
    DiskFullError,
    MissingExtraError,
    SettingsError,
    VisualSearchError,
)
from catalog.core.state import Version
from sync.errors import ExpiredError, StoreError, TrustError


@dataclass(frozen=True)
class CheckResult:
    """How a check ended, and what it found out about the channel.

    Attributes:
        outcome: One word, as of `catalog.core.state.SyncState`.
        message: A sentence.
        newest: The channel's newest release; None where that is not known.
        expires: When the first of its signatures ends.
        ends: Which role's signature that is.
        clock: What is wrong with this device's clock; empty for nothing.
    """

    outcome: str
    message: str
    newest: Version | None = None
    expires: datetime | None = None
    ends: str = ""
    clock: str = ""


def result_of(error: VisualSearchError) -> CheckResult:
    """The result of a check that failed with `error`."""
    if isinstance(error, ExpiredError):
        clock = (
            f"this device's clock says {error.clock:%Y-%m-%d %H:%M} UTC; if that is wrong, what "
            f"ended on {error.expired:%Y-%m-%d} may still be valid: set the clock"
        )
        return CheckResult(error.outcome, str(error), clock=clock)
    if isinstance(error, TrustError | StoreError):
        return CheckResult(error.outcome, str(error))
    if isinstance(error, DiskFullError):
        return CheckResult("disk-full", str(error))
    if isinstance(error, BundleError):  # refused by its manifest, before its files were fetched
        return CheckResult("rejected", str(error))
    if isinstance(error, SettingsError | MissingExtraError):
        return CheckResult("not-set-up", str(error))
    return CheckResult("failed", str(error))
