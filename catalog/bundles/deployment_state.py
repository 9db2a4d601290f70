"""The deployment state: what a device remembers of bundles beyond the folders on its shelf.

It says which release each bundle is, which bundles were rejected, which release the operator
skipped, which bundle is pinned and which is on probation. It is written while the shelf is
locked. The file and two of its keys keep older names: ``ledger.json``, ``declined``, ``trial``.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.state import EdgeState

MOST_REJECTED = 100

log = logging.getLogger(__name__)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class RejectedBundle(_Frozen):
    """Why a bundle is not tried again, and the version and engine that rejected it."""

    reason: str
    by: str


class SkippedRelease(_Frozen):
    """A bundle that the operator rolled back from, and its release where that is known."""

    bundle: str
    release: int | None = None


class Probation(_Frozen):
    """A bundle that is active, but not yet known to work in the edge process.

    Attributes:
        bundle: Its id.
        patience_s: Seconds that a running edge process has to open it.
        before: The state that edge reported before the bundle became active.
        opened_boot: The kernel's boot in which the bundle was first seen open; empty before.
        opened_s: When that was, in seconds after that boot.
    """

    bundle: str
    patience_s: float
    before: EdgeState | None = None
    opened_boot: str = ""
    opened_s: float = 0.0


class DeploymentState(_Frozen):
    """The content of ``ledger.json``.

    Attributes:
        releases: The release of each bundle on the shelf, by the bundle's id.
        rejected: Bundles that are not tried again, by their ids, the latest last.
        declined: The skipped release.
        pinned: Id of the pinned bundle.
        pinned_by: Who pinned it, where that was not a person at the device.
        trial: The bundle on probation.
    """

    releases: dict[str, int] = {}
    rejected: dict[str, RejectedBundle] = {}
    declined: SkippedRelease | None = None
    pinned: str | None = None
    pinned_by: str = ""
    trial: Probation | None = None

    def with_rejected(self, bundle: str, reason: str, engine: str) -> DeploymentState:
        """Return the state with `bundle` rejected; the oldest rejections are forgotten."""
        others = [(name, entry) for name, entry in self.rejected.items() if name != bundle]
        rejected = dict(others[1 - MOST_REJECTED :])
        rejected[bundle] = RejectedBundle(reason=reason, by=validated_by(engine))
        return self.model_copy(update={"rejected": rejected})

    def rejection(self, bundle: str, engine: str) -> str | None:
        """Return why this version and `engine` rejected `bundle`; None where they did not."""
        entry = self.rejected.get(bundle)
        by = validated_by(engine)
        return entry.reason if entry is not None and entry.by == by else None


def validated_by(engine: str) -> str:
    """Say who validates here: the version, and the engine."""
    from importlib.metadata import version  # slow to import, and seldom needed

    return f"{version('visual-search')}, {engine}"


def read_deployment_state(folder: Path) -> DeploymentState:
    """Read the state of the shelf in `folder`; empty where the file is missing or not readable."""
    file = folder / "ledger.json"
    try:
        return DeploymentState.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return DeploymentState()
    except (OSError, ValidationError) as error:
        log.error("%s: cannot be read, nothing is remembered: %s", file, error)
        return DeploymentState()


def write_deployment_state(folder: Path, state: DeploymentState) -> None:
    """Write ``ledger.json`` durably."""
    content = (state.model_dump_json(indent=1) + "\n").encode()
    durable.write(folder / "ledger.json", content, durable.PRIVATE)
