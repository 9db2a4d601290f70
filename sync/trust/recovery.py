"""The owner's state where a thief of the online key has signed one that nobody can go on from.

Once the online key is replaced, what the former one signed counts no more. So the owner goes on
from the lists of targets, which the online key cannot sign: from the last ones that this owner has
seen, or newer ones in the store. Such a newer one may be of a publish that was killed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, T, Targets, Timestamp

from sync.errors import (
    ForgedError,
    NotInStoreError,
    StoreRefusedError,
    StoreTooLargeError,
    TrustError,
)
from sync.stores.base import METADATA, Store
from sync.trust.delegations import (
    LARGEST_LIST,
    ChannelList,
    check,
    delegation,
    delegations,
    role_name,
)
from sync.trust.keys import KeyFolder
from sync.trust.release import is_number
from sync.trust.repository import LISTS_SEEN
from sync.trust.rollback_protection import ListsSeenFile
from sync.trust.signed_state import SignedState

log = logging.getLogger(__name__)

MARGIN = 1000  # versions that others may have signed since this owner looked
LARGEST_OWNERS_LIST = 5_000_000  # bytes, as python-tuf's


@dataclass(frozen=True)
class Recovered:
    """The state to go on from.

    Attributes:
        state: The state; its root is None, so that all of it is signed again.
        lists: What the channels' own keys have signed, by channel.
    """

    state: SignedState
    lists: dict[str, ChannelList]


def is_replaced(timestamp: bytes, keys: KeyFolder) -> bool:
    """Return whether the online key was replaced, and the new one has not signed a timestamp."""
    former = [Metadata[Root].from_bytes(data).signed for data in keys.roots.values()]
    if all(_online_keys(root) == _online_keys(keys.root) for root in former):
        return False
    try:
        found = Metadata[Timestamp].from_bytes(timestamp)
        keys.root.verify_delegate(Timestamp.type, found.signed_bytes, found.signatures)
    except RepositoryError:
        return True
    return False


def recover(
    seen: Path, store: Store, keys: KeyFolder, tag: str | None, channel: str, timestamp: bytes
) -> Recovered | None:
    """Find the newest lists; None where this owner has seen none, or newer ones than are left.

    Args:
        seen: The folder with what this owner has seen of the store.
        store: The store.
        keys: The owner's.
        tag: The tag of the timestamp in the store.
        channel: The channel that is to be changed; empty for none. If it has a key of its own, what
            this key has signed must be there.
        timestamp: The timestamp in the store.

    Raises:
        ForgedError: No list of the channel is left.
        StoreError: The store failed.
    """
    copy = _parsed(_bytes(seen / "targets.json"), Targets)
    if copy is None:
        return None
    targets = copy
    for found, _ in _listed(store, Targets.type, copy.version, LARGEST_OWNERS_LIST, keys.root):
        targets = found
    known = ListsSeenFile(seen / LISTS_SEEN, keys.roots[1]).read().under(keys.root)
    if targets.version < known.targets:
        return None
    state = SignedState.first()
    newest = _parsed(_bytes(seen / "snapshot.json"), Snapshot)
    stamps = [_parsed(data, Timestamp) for data in (timestamp, _bytes(seen / "timestamp.json"))]
    state.timestamp.version = _highest(stamps) + MARGIN
    state.snapshot.version = _highest([newest, *(s.snapshot_meta for s in stamps if s)]) + MARGIN
    lists = _channel_lists(store, targets, newest, state.snapshot)
    if channel not in lists and delegation(targets, channel) is not None:
        raise ForgedError(
            f"{store.url}: the channel {channel!r} has a key of its own, and no list is left "
            "that it signed; take it back: visual-search sync keys revoke SOURCE "
            f"--channel {channel}"
        )
    state = SignedState(
        tag, None, state.timestamp, state.snapshot, targets, lists.get(channel) if channel else None
    )
    log.warning("%s: going on from list %d, after the online key", store.url, targets.version)
    return Recovered(state, lists)


def _channel_lists(
    store: Store, targets: Targets, former: Snapshot | None, snapshot: Snapshot
) -> dict[str, ChannelList]:
    """The newest list of each channel that has a key of its own; name them in the snapshot."""
    lists: dict[str, ChannelList] = {}
    for channel, role in delegations(targets).items():
        name = f"{role_name(channel)}.json"
        known = former.meta.get(name) if former is not None else None
        first = known.version if known is not None and is_number(known.version) else 1
        for signed, data in _listed(store, role.name, first, LARGEST_LIST, targets):
            found = ChannelList(role, signed)
            try:
                check(found, store.url)
            except TrustError:
                continue
            lists[channel] = found
            snapshot.meta[name] = MetaFile.from_data(signed.version, data, ["sha256"])
    return lists


def _listed(
    store: Store, role: str, first: int, limit: int, delegator: Root | Targets
) -> Iterator[tuple[Targets, bytes]]:
    """The lists of a role in the store, from version `first` to the last, that are signed well."""
    version = first
    while True:
        try:
            data = store.read(f"{METADATA}/{version}.{role}.json", limit)
        except (NotInStoreError, StoreRefusedError):  # S3 refuses what is not there
            return
        except StoreTooLargeError:
            data = b""
        try:
            found = Metadata[Targets].from_bytes(data)
            delegator.verify_delegate(role, found.signed_bytes, found.signatures)
            if isinstance(found.signed, Targets) and found.signed.version == version:
                yield found.signed, data
        except RepositoryError as error:
            log.warning("%s: %d.%s.json is passed over: %s", store.url, version, role, error)
        version += 1


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _parsed(data: bytes, kind: type[T]) -> T | None:
    """The metadata in a file; None where there is none of its kind."""
    try:
        signed = Metadata[T].from_bytes(data).signed
    except RepositoryError:
        return None
    return signed if isinstance(signed, kind) else None


def _highest(found: Iterable[Signed | MetaFile | None]) -> int:
    return max((item.version for item in found if item and is_number(item.version)), default=0)


def _online_keys(root: Root) -> set[str]:
    return set(root.roles[Timestamp.type].keyids)
