"""What a device has seen and will not go below, whatever else it loses.

The newest root, the newest time of issue, and each channel's newest release. Each falls with the
keys that vouched for it: what a thief signed far ahead is forgotten when his key is replaced, and
what the key signed before is no longer believed by then.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from tuf.api.metadata import Root, Targets, Timestamp

from catalog.core import durable

log = logging.getLogger(__name__)


class NewestSeen(BaseModel):
    """What must not be undercut.

    Attributes:
        given: Digest of the root that the owner gave; with another, all begins anew.
        root: Version of the newest root.
        timestamp_keys: Ids of the keys that vouch for `issued`.
        issued: When the newest timestamp was signed.
        targets_keys: Ids of the keys that vouch for `releases`.
        releases: The newest release of each channel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: str
    root: int = 0
    timestamp_keys: list[str] = []
    issued: datetime | None = None
    targets_keys: list[str] = []
    releases: dict[str, int] = {}

    def under(self, root: Root) -> NewestSeen:
        """What of this still holds under a verified root."""
        signing = sorted(root.roles[Timestamp.type].keyids)
        listing = sorted(root.roles[Targets.type].keyids)
        return NewestSeen(
            given=self.given,
            root=root.version,
            timestamp_keys=signing,
            issued=self.issued if signing == self.timestamp_keys else None,
            targets_keys=listing,
            releases=self.releases if listing == self.targets_keys else {},
        )

    def seen(self, channel: str, release: int) -> NewestSeen:
        """This, with a newer release of a channel."""
        return self.model_copy(update={"releases": self.releases | {channel: release}})


class NewestSeenFile:
    """A floor in a file.

    Args:
        file: Where it is kept.
        root: Bytes of the root that the owner gave.
    """

    def __init__(self, file: Path, root: bytes) -> None:
        self._file = file
        self._given = hashlib.sha256(root).hexdigest()

    def read(self) -> NewestSeen:
        """The floor as it is; a damaged one begins anew."""
        try:
            floor = NewestSeen.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return NewestSeen(given=self._given)
        except ValidationError as error:
            log.warning("%s: damaged, begun anew: %s", self._file, error)
            return NewestSeen(given=self._given)
        return floor if floor.given == self._given else NewestSeen(given=self._given)

    def keep(self, former: NewestSeen, floor: NewestSeen) -> NewestSeen:
        """Make a floor durable, if it is another than the former, or not yet in its file."""
        if floor != former or not self._file.exists():
            durable.write(self._file, floor.model_dump_json().encode())
        return floor
