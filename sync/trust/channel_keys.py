"""The owner's side of `sync.trust.delegations`: give a channel a key of its own, and take it back.

Each change is one new state of the repository, which its timestamp alone makes valid. So whoever is
killed meanwhile leaves the former state; a new key that is left over signs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tuf.api.metadata import DelegatedRole, Targets

from sync.errors import NotPublishedError, StoreError, TrustError
from sync.stores.base import Store
from sync.trust import delegations
from sync.trust.delegations import ChannelList, delegated_paths, delegation
from sync.trust.keys import KeyFolder
from sync.trust.owner_metadata import OwnerMetadata
from sync.trust.release import TIME_FORMAT, fields_of, is_number, manifest_path, software_path
from sync.trust.renewal import command
from sync.trust.repository import now
from sync.trust.signed_state import SignedState
from sync.trust.staged_releases import next_at, next_number

# What stands against reading the list that a channel's key has signed.
UNREADABLE = (TrustError, StoreError)


@dataclass(frozen=True)
class ChannelKey:
    """A channel that has a key of its own.

    Attributes:
        channel: The channel.
        keys: Ids of its keys, as in the names of their files.
        software: Whether they may sign releases of the program, too.
        release: The newest release that they signed; 0 for none.
        bundle: Its bundle's id.
        expires: When their signature ends; None where it cannot be read.
        problem: Why what they signed is refused; empty for nothing.
    """

    channel: str
    keys: list[str]
    software: bool
    release: int = 0
    bundle: str = ""
    expires: datetime | None = None
    problem: str = ""


class ChannelKeys:
    """Which channels of a store have keys of their own.

    Args:
        store: The repository.
        keys: The owner's.
        clock: Tells the time.
    """

    def __init__(self, store: Store, keys: KeyFolder, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._metadata = OwnerMetadata(store, keys, clock)

    def delegate(self, channel: str, days: float, *, software: bool = False) -> ChannelKey:
        """Make a key for a channel, which alone publishes in it from now on.

        What is published in the channel stays published, signed with the new key. A former key of
        the channel counts no more.

        Args:
            channel: The channel.
            days: How long the signatures are valid.
            software: Whether the key may sign releases of the program, too.

        Raises:
            NotPublishedError: That is no name for a channel, or nothing was published in the store.
            TrustError: What a former key has signed cannot be trusted; `revoke` it first.
            KeysError: Publisher or online key are missing, or the new key cannot be written.
            StoreConflictError, StoreError: As for `ReleasePublisher.publish`.
        """
        manifest_path(channel)
        state = self._metadata.read(channel)
        self._check(state)
        numbers = _numbers(state, channel)
        paths = delegated_paths(channel, software=software)
        found = [(path, state.target(path)) for path in delegated_paths(channel, software=True)]
        former = delegation(state.targets, channel)
        signer = self._keys.make_channel_key(channel, self._store.url)
        listed = Targets()
        listed.version = 0
        for path, target in found:
            if target is not None and path in paths:
                state.targets.targets.pop(path, None)
                listed.targets[path] = target
        delegations.note_numbers(state.targets, numbers)
        role = delegations.delegate(state.targets, channel, signer.public_key, paths)
        newer = SignedState(
            state.tag,
            state.root,
            state.timestamp,
            state.snapshot,
            state.targets,
            ChannelList(role, listed),
            {Targets.type, role.name},
        )
        self._metadata.write(newer, days)
        replaced = former.keyids if former is not None else []
        self._keys.remove_channel_keys(channel, self._store.url, replaced, [signer])
        return _described(channel, role, listed)

    def revoke(self, channel: str, days: float) -> None:
        """Let the owner's own key publish in a channel again, and no other.

        What the channel's key has signed is published no more; devices keep what they have.

        Raises:
            NotPublishedError: The channel has no key of its own.
            KeysError, StoreError, TrustError: As for `delegate`.
        """
        manifest_path(channel)
        state = self._metadata.read()
        former = delegation(state.targets, channel)
        if former is None:
            raise NotPublishedError(
                f"{self._store.url}: the channel {channel!r} has no key of its own"
            )
        self._check(state)
        try:  # a list that says too much still tells what numbers devices may have seen
            signed = replace(state, channel=self._metadata.unchecked_list(channel))
        except UNREADABLE:
            signed = state
        delegations.note_numbers(state.targets, _numbers(signed, channel))
        delegations.revoke(state.targets, channel)
        state.changed.add(Targets.type)
        self._metadata.write(state, days)
        self._keys.remove_channel_keys(channel, self._store.url, former.keyids)

    def channels(self) -> list[ChannelKey]:
        """Return the channels that have keys of their own, and what these have signed.

        What the owner's list delegates in a way that this program never does is among them, with a
        problem.

        Raises:
            StoreError, TrustError: As for `delegate`.
        """
        state, found = self._metadata.read(), []
        for channel, role in sorted(delegations.delegations(state.targets).items()):
            try:
                own = self._metadata.channel_list(channel)
                listed = own.signed if own else Targets()
                problem = self._problem(state, role, listed, channel)
                found.append(_described(channel, role, listed, problem))
            except UNREADABLE as error:
                found.append(_described(channel, role, None, str(error)))
        said = (
            "this program never delegates so, and earlier versions on devices follow it; whoever "
            "did it had the publisher's key. The next publish by the owner ends it"
        )
        names = delegations.foreign(state.targets)
        return [
            *found,
            *(ChannelKey(ascii(name), [], software=False, problem=said) for name in names),
        ]

    def _problem(
        self, state: SignedState, role: DelegatedRole, listed: Targets, channel: str
    ) -> str:
        """Why devices do not take what a channel's key has signed; empty for nothing."""
        if listed.expires <= self._clock():
            return (
                f"its signature was valid until {listed.expires:{TIME_FORMAT}}; whoever has the "
                f"key has to run: {command(role.name)}"
            )
        if overridden := [path for path in role.paths or () if path in state.targets.targets]:
            return (
                f"the owner's list has {overridden[0]} itself, and devices take that one; an "
                "earlier version of this program published it. Delegate the channel again: "
                f"visual-search sync keys delegate SOURCE --channel {channel}"
            )
        return ""

    def _check(self, state: SignedState) -> None:
        """Raise where nothing was published yet, or a key is missing, before anything is made."""
        if state.tag is None:
            raise NotPublishedError(
                f"{self._store.url}: nothing was published yet; publish a first bundle there"
            )
        self._keys.signers("publisher")
        self._keys.signers("online")


def _numbers(state: SignedState, channel: str) -> list[tuple[str, int]]:
    """The highest releases of a channel that were used so far, by path."""
    software = software_path(channel)
    return [
        (manifest_path(channel), next_number(state, channel) - 1),
        (software, next_at(state, software) - 1),
    ]


def _described(
    channel: str, role: DelegatedRole, listed: Targets | None, problem: str = ""
) -> ChannelKey:
    target = listed.targets.get(manifest_path(channel)) if listed is not None else None
    fields = fields_of(target)
    release = fields.get("release")
    return ChannelKey(
        channel=channel,
        keys=sorted(key_id[:8] for key_id in role.keyids),
        software=software_path(channel) in (role.paths or ()),
        release=release if is_number(release) else 0,
        bundle=str(fields.get("bundle", "")),
        expires=listed.expires if listed is not None else None,
        problem=problem,
    )
