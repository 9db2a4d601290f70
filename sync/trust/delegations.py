"""A key per channel: TUF's delegated roles, one for each channel whose releases another key signs.

The owner's list of targets delegates paths of a channel, each by its whole name, to a role
``channel-<channel>``. What is published at these paths is then listed in
``metadata/N.channel-<channel>.json``, signed with the channel's key. A device looks there for what
the owner's list does not have itself, and only there: a list may name nothing but the paths that
were delegated to it, delegates nothing further, and is small.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, TargetFile, Targets

from sync.errors import ForgedError, WrongChannelError
from sync.trust.release import (
    CHANNEL,
    LARGEST_COUNTED,
    changes_path,
    fields_of,
    is_number,
    manifest_path,
    software_path,
    staged_changes_path,
    staged_path,
)
from sync.trust.renewal import PREFIX, channel_of
from sync.trust.staging import Stage

LARGEST_LIST = 64 << 10  # bytes; a list has at most five targets
NUMBERED = "numbered"  # a field of the owner's list: the highest numbers used, by path
BUNDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!:-]{0,127}")  # an id
SHA256 = re.compile(r"[0-9a-f]{64}")


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
    """Return all that the owner's list delegates as `delegate` does, by channel."""
    roles = listed.delegations.roles if listed.delegations is not None else None
    return {channel_of(name): role for name, role in (roles or {}).items() if _is_ours(role)}


def foreign(listed: Targets) -> list[str]:
    """Return the names of what the owner's list delegates in any other way; sorted.

    This program never does that. A thief of the publisher's key may, and devices with an earlier
    version follow it.
    """
    if listed.delegations is None:
        return []
    succinct = listed.delegations.succinct_roles
    if succinct is not None:
        return [f"{succinct.name_prefix}-*"]
    roles = listed.delegations.roles or {}
    return sorted(name for name, role in roles.items() if not _is_ours(role))


def remove_foreign(listed: Targets) -> list[str]:
    """Delegate no longer what `foreign` names; return these names."""
    names, ours = foreign(listed), delegations(listed).values()
    if names and listed.delegations is not None:
        used = {key_id for role in ours for key_id in role.keyids}
        keys = {name: key for name, key in listed.delegations.keys.items() if name in used}
        roles = {role.name: role for role in ours}
        listed.delegations = Delegations(keys, roles) if roles else None
    return names


def _is_ours(role: DelegatedRole) -> bool:
    channel = channel_of(role.name)
    return (
        CHANNEL.fullmatch(channel) is not None
        and role.threshold == 1
        and role.terminating
        and bool(role.paths)
        and set(role.paths or ()) <= set(delegated_paths(channel, software=True))
        and all(SHA256.fullmatch(key_id) for key_id in role.keyids)
    )


def delegate(listed: Targets, channel: str, key: Key, paths: Sequence[str]) -> DelegatedRole:
    """Delegate paths of a channel to a key, in place of what was delegated of it."""
    revoke(listed, channel)
    name = role_name(channel)
    if listed.delegations is None or listed.delegations.roles is None:
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
        WrongChannelError: It names another channel's path, one that is nobody's, or a release for
            another channel.
        ForgedError: It delegates further, or what it says of a release is not of its kind.
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
    for target in found.signed.targets.values():
        _check_target(target, channel, url)


def _check_target(target: TargetFile, channel: str, url: str) -> None:
    """Check what is signed with a target, so that all who read it find what they expect."""
    fields = fields_of(target)
    said, bundle = fields.get("channel"), fields.get("bundle")
    if isinstance(said, str) and said != channel:
        raise WrongChannelError(
            f"{url}: what is in the channel {channel!r} was signed for {said[:80]!r}"
        )
    digest = target.hashes.get("sha256", "")
    if (
        said != channel
        or not is_number(fields.get("release"))
        or not (isinstance(bundle, str) and BUNDLE.fullmatch(bundle))
        or not (len(target.hashes) == 1 and SHA256.fullmatch(digest))
    ):
        raise ForgedError(
            f"{url}: what the key of the channel {channel!r} has signed at {target.path} has no "
            "release, no bundle or no sha256 that could be right; nothing that it signed is taken"
        )
    if target.path == staged_path(channel):
        Stage.of(target)


def numbered(listed: Targets, path: str) -> int:
    """Return the highest release that was used at a path before it changed hands; 0 for none."""
    noted = listed.unrecognized_fields.get(NUMBERED)
    number = noted.get(path) if isinstance(noted, dict) else None
    return number if is_number(number, LARGEST_COUNTED) else 0


def note_numbers(listed: Targets, numbers: Iterable[tuple[str, int]]) -> None:
    """Note the highest releases used so far, so that who signs next does not begin below them."""
    former = listed.unrecognized_fields.get(NUMBERED)
    noted = {path: numbered(listed, path) for path in (former if isinstance(former, dict) else {})}
    for path, number in numbers:
        noted[path] = max(number, numbered(listed, path))
    noted = {path: number for path, number in noted.items() if is_number(number, LARGEST_COUNTED)}
    if noted:
        listed.unrecognized_fields[NUMBERED] = noted
