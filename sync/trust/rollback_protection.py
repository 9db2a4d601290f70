"""Rollback protection: remember the newest versions a device has seen, and accept no older ones.

These are the newest root, the newest time of issue, and each channel's newest release. Each is
forgotten when the keys that signed it are replaced, or when a channel gets or loses a key of its
own. So a thief of a key, who signed a version far ahead, cannot lock the device out once the owner
has replaced the key; and what the old key signed is no longer trusted then.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from tuf.api.metadata import Root, Targets, Timestamp

from catalog.core import durable

log = logging.getLogger(__name__)


class NewestSeen(BaseModel):
    """The newest versions that a device has seen.

    Attributes:
        given: Digest of the root that the owner gave; for another root, nothing has been seen.
        root: Version of the newest root.
        timestamp_keys: Ids of the keys that sign timestamps, such as the one with `issued`.
        issued: When the newest timestamp was signed.
        targets_keys: Ids of the keys that sign lists of targets, such as those with `releases`.
        releases: The newest release of each channel.
        signers: Ids of the keys that signed these releases, where the owner gave a channel a key of
            its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: str
    root: int = 0
    timestamp_keys: list[str] = []
    issued: datetime | None = None
    targets_keys: list[str] = []
    releases: dict[str, int] = {}
    signers: dict[str, list[str]] = {}

    def under(self, root: Root) -> NewestSeen:
        """What is still trusted under a verified root."""
        timestamp_keys = sorted(root.roles[Timestamp.type].keyids)
        targets_keys = sorted(root.roles[Targets.type].keyids)
        return NewestSeen(
            given=self.given,
            root=root.version,
            timestamp_keys=timestamp_keys,
            issued=self.issued if timestamp_keys == self.timestamp_keys else None,
            targets_keys=targets_keys,
            releases=self.releases if targets_keys == self.targets_keys else {},
            signers=self.signers if targets_keys == self.targets_keys else {},
        )

    def release_of(self, channel: str, signers: Sequence[str] = ()) -> int:
        """The newest release of a channel; 0 where other keys than `signers` have signed it."""
        if self.signers.get(channel, []) != list(signers):
            return 0
        return self.releases.get(channel, 0)

    def with_release(self, channel: str, release: int, signers: Sequence[str] = ()) -> NewestSeen:
        """A copy with a newer release of a channel, and the keys of its own that signed it."""
        own = {name: keys for name, keys in self.signers.items() if name != channel}
        return self.model_copy(
            update={
                "releases": self.releases | {channel: release},
                "signers": own | ({channel: list(signers)} if signers else {}),
            }
        )

    def to_json(self) -> bytes:
        """The file's content; earlier versions of the program read it where no channel has keys."""
        return self.model_dump_json(exclude=None if self.signers else {"signers"}).encode()


class NewestSeenFile:
    """A file with the newest versions seen.

    Args:
        file: Its path.
        root: Bytes of the root that the owner gave.
    """

    def __init__(self, file: Path, root: bytes) -> None:
        self._file = file
        self._given = hashlib.sha256(root).hexdigest()

    def read(self) -> NewestSeen:
        """Read the file; where it is missing, damaged or of another root, nothing has been seen."""
        try:
            newest_seen = NewestSeen.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return NewestSeen(given=self._given)
        except ValidationError as error:
            log.warning("%s: damaged, begun anew: %s", self._file, error)
            return NewestSeen(given=self._given)
        return newest_seen if newest_seen.given == self._given else NewestSeen(given=self._given)

    def save(self, former: NewestSeen, newest_seen: NewestSeen) -> NewestSeen:
        """Write the file durably, where it differs from `former` or does not exist."""
        if newest_seen != former or not self._file.exists():
            durable.write(self._file, newest_seen.to_json(), durable.PRIVATE)
        return newest_seen
