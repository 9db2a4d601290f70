"""The ledger: what is remembered of catalogues beyond the folders on the shelf.

Which release each is, which ones proved bad, which one the owner of this device declined or
pinned, and which one is on trial. Written under the shelf's lock.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from catalog.core import durable
from catalog.core.state import EdgeState

MOST_REJECTED = 100

log = logging.getLogger(__name__)


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class RejectedBundle(_Entry):
    """Why a bundle is not tried again, and who found so: version and engine."""

    reason: str
    by: str


class SkippedRelease(_Entry):
    """A bundle that was rolled back from, and its release where that is known."""

    bundle: str
    release: int | None = None


class Probation(_Entry):
    """A bundle that edge has yet to live with.

    Attributes:
        bundle: Its id.
        patience_s: Seconds that a running edge has to open it.
        before: What edge last said before it could know of it.
        opened_boot, opened_s: When it was first seen open: the kernel's boot, seconds in that.
    """

    bundle: str
    patience_s: float
    before: EdgeState | None = None
    opened_boot: str = ""
    opened_s: float = 0.0


class DeploymentState(_Entry):
    """What ``ledger.json`` holds."""

    releases: dict[str, int] = {}  # by bundle id
    rejected: dict[str, RejectedBundle] = {}  # by bundle id
    declined: SkippedRelease | None = None
    pinned: str | None = None
    trial: Probation | None = None

    def with_rejected(self, bundle: str, reason: str, engine: str) -> DeploymentState:
        """The ledger with `bundle` in it as one that is not tried again."""
        others = {name: one for name, one in self.rejected.items() if name != bundle}
        kept = dict(list(others.items())[1 - MOST_REJECTED :])
        kept[bundle] = RejectedBundle(reason=reason, by=_judge(engine))
        return self.model_copy(update={"rejected": kept})

    def rejection(self, bundle: str, engine: str) -> str | None:
        """Why `bundle` is not tried again; None where nothing, or only others, refused it."""
        found = self.rejected.get(bundle)
        return found.reason if found is not None and found.by == _judge(engine) else None


def _judge(engine: str) -> str:
    return f"{version('visual-search')}, {engine}"


def read_deployment_state(folder: Path) -> DeploymentState:
    """What the shelf in `folder` remembers; nothing where the file is missing or not readable."""
    file = folder / "ledger.json"
    try:
        return DeploymentState.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return DeploymentState()
    except (OSError, ValidationError) as error:
        log.error("%s: cannot be read, nothing is remembered: %s", file, error)
        return DeploymentState()


def write_deployment_state(folder: Path, ledger: DeploymentState) -> None:
    """Remember it, durably."""
    durable.write(folder / "ledger.json", (ledger.model_dump_json(indent=1) + "\n").encode())
