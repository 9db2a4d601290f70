"""Rollback protection: remember the newest versions a device has seen, and accept no older ones.

These are the newest root, the newest time of issue, the version of the owner's list of targets, and
each channel's newest release. Each is forgotten when the keys that signed it are replaced. So a
thief of a key, who signed a version far ahead, cannot lock the device out once the owner has
replaced the key; and what the old key signed is no longer trusted then.

There are two files: earlier versions of the program refuse the first one if it has further fields,
and would forget all that they had seen.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

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
        releases: The newest release of each channel that the owner signed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: str
    root: int = 0
    timestamp_keys: list[str] = []
    issued: datetime | None = None
    targets_keys: list[str] = []
    releases: dict[str, int] = {}

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
        )

    def with_release(self, channel: str, release: int) -> NewestSeen:
        """A copy with a newer release of a channel."""
        return self.model_copy(update={"releases": self.releases | {channel: release}})


class SeenRelease(BaseModel):
    """The newest release that a channel's own keys signed.

    Attributes:
        keys: Their ids.
        release: Its number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[str]
    release: int


class ListsSeen(BaseModel):
    """The newest lists of targets that a device has seen.

    Attributes:
        given: Digest of the root that the owner gave; for another root, nothing has been seen.
        targets_keys: Ids of the keys that sign the owner's list.
        targets: Its version.
        releases: The newest release of each channel that has a key of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: str
    targets_keys: list[str] = []
    targets: int = 0
    releases: dict[str, SeenRelease] = {}

    def under(self, root: Root) -> ListsSeen:
        """What is still trusted under a verified root."""
        targets_keys = sorted(root.roles[Targets.type].keyids)
        if targets_keys == self.targets_keys:
            return self
        return ListsSeen(given=self.given, targets_keys=targets_keys)

    def release_of(self, channel: str, signers: Sequence[str]) -> int:
        """The newest release of a channel; 0 where other keys than `signers` have signed it."""
        seen = self.releases.get(channel)
        return seen.release if seen is not None and seen.keys == list(signers) else 0

    def with_release(self, channel: str, release: int, signers: Sequence[str]) -> ListsSeen:
        """A copy with a newer release of a channel, and the keys of its own that signed it."""
        newest = SeenRelease(keys=list(signers), release=release)
        return self.model_copy(update={"releases": self.releases | {channel: newest}})


Seen = TypeVar("Seen", NewestSeen, ListsSeen)


class _SeenFile(Generic[Seen]):
    """A file with what a device has seen.

    Args:
        file: Its path.
        root: Bytes of the root that the owner gave.
    """

    kind: type[Seen]

    def __init__(self, file: Path, root: bytes) -> None:
        self._file = file
        self._given = hashlib.sha256(root).hexdigest()

    def read(self) -> Seen:
        """Read the file; where it is missing, damaged or of another root, nothing has been seen."""
        nothing = self.kind(given=self._given)
        try:
            seen = self.kind.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return nothing
        except ValidationError as error:
            log.warning("%s: damaged, begun anew: %s", self._file, error)
            return nothing
        return seen if seen.given == self._given else nothing

    def save(self, former: Seen, newest: Seen) -> Seen:
        """Write the file durably, where it differs from `former` or does not exist."""
        if newest != former or not self._file.exists():
            durable.write(self._file, newest.model_dump_json().encode(), durable.PRIVATE)
        return newest


class NewestSeenFile(_SeenFile[NewestSeen]):
    """The file with `NewestSeen`."""

    kind = NewestSeen


class ListsSeenFile(_SeenFile[ListsSeen]):
    """The file with `ListsSeen`."""

    kind = ListsSeen
