"""A key per channel: TUF's delegated roles, one for each channel whose releases another key signs.

The owner's list of targets delegates paths of a channel, each by its whole name, to a role
``channel-<channel>``. What is published at these paths is then listed in
``metadata/N.channel-<channel>.json``, signed with the channel's key. A device looks there for what
the owner's list does not have itself, and only there: a list may name nothing but the paths that
were delegated to it, delegates nothing further, and is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from sync.errors import ForgedError, WrongChannelError
from sync.trust.release import (
    changes_path,
    manifest_path,
    software_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.renewal import PREFIX, channel_of

LARGEST_LIST = 64 << 10  # bytes; a list has at most five targets
NUMBERED = "numbered"  # a field of the owner's list: the highest numbers used, by path


@dataclass(frozen=True)
class ChannelList:
    """What the key of a channel has signed.

    Attributes:
        role: What the owner delegated, and to which keys.
        signed: The list of targets.
    """

    role: DelegatedRole
    signed: Targets

    def covers(self, path: str) -> bool:
        """Return whether the owner delegated a target path to this list."""
        return path in (self.role.paths or ())


def role_name(channel: str) -> str:
    """Return the name of the role that signs a channel which has a key of its own."""
    return f"{PREFIX}{channel}"


def delegated_paths(channel: str, *, software: bool) -> list[str]:
    """Return the target paths that a channel's key may sign.

    Args:
        channel: The channel.
        software: Whether it may sign releases of the program, too.
    """
    catalogue = [
        manifest_path(channel),
        changes_path(channel),
        staged_path(channel),
        staged_changes_path(channel),
    ]
    return [*catalogue, software_path(channel)] if software else catalogue


def delegation(listed: Targets, channel: str) -> DelegatedRole | None:
    """Return what the owner's list delegates of a channel; None for nothing."""
    roles = listed.delegations.roles if listed.delegations is not None else None
    return (roles or {}).get(role_name(channel))


def delegations(listed: Targets) -> dict[str, DelegatedRole]:
    """Return all that the owner's list delegates, by channel."""
    roles = listed.delegations.roles if listed.delegations is not None else None
    return {channel_of(name): role for name, role in (roles or {}).items() if channel_of(name)}


def delegate(listed: Targets, channel: str, key: Key, paths: Sequence[str]) -> DelegatedRole:
    """Delegate paths of a channel to a key, in place of what was delegated of it."""
    revoke(listed, channel)
    name = role_name(channel)
    if listed.delegations is None:
        listed.delegations = Delegations({}, {})
    assert listed.delegations.roles is not None
    role = DelegatedRole(name, [], threshold=1, terminating=True, paths=list(paths))
    listed.delegations.roles[name] = role
    listed.add_key(key, name)
    return role


def revoke(listed: Targets, channel: str) -> None:
    """Delegate nothing of a channel any more."""
    role = delegation(listed, channel)
    if role is None or listed.delegations is None or listed.delegations.roles is None:
        return
    for key_id in list(role.keyids):
        listed.revoke_key(key_id, role.name)
    del listed.delegations.roles[role.name]
    if not listed.delegations.roles:
        listed.delegations = None


def check(found: ChannelList, url: str) -> None:
    """Check that a list, which its key has signed, names only what was delegated to this key.

    Raises:
        WrongChannelError: It names another channel's path, or one that is nobody's.
        ForgedError: It delegates further.
    """
    channel = channel_of(found.role.name)
    outside = sorted(path for path in found.signed.targets if not found.covers(path))
    if outside:
        raise WrongChannelError(
            f"{url}: the key of the channel {channel!r} has signed {outside[0]!r}, which it may "
            "not; nothing that it signed is taken until its list is right again"
        )
    if found.signed.delegations is not None:
        raise ForgedError(
            f"{url}: the key of the channel {channel!r} hands its channel on to further keys, "
            "which only the owner may do"
        )


def numbered(listed: Targets, path: str) -> int:
    """Return the highest release that was used at a path before it changed hands; 0 for none."""
    noted = listed.unrecognized_fields.get(NUMBERED)
    number = noted.get(path) if isinstance(noted, dict) else None
    return number if type(number) is int else 0


def note_numbers(listed: Targets, numbers: Iterable[tuple[str, int]]) -> None:
    """Note the highest releases used so far, so that who signs next does not begin below them."""
    noted = {path: max(number, numbered(listed, path)) for path, number in numbers if number}
    if noted:
        former = listed.unrecognized_fields.get(NUMBERED)
        listed.unrecognized_fields[NUMBERED] = (former if isinstance(former, dict) else {}) | noted
