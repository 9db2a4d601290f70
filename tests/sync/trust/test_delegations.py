"""What the owner's list delegates: as this program does it, in another way, and no more."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, SuccinctRoles, TargetFile, Targets

from sync.errors import ForgedError, WrongChannelError
from sync.trust import delegations
from sync.trust.delegations import ChannelList, check, delegated_paths, note_numbers, numbered
from sync.trust.release import LARGEST_COUNTED
from sync.trust.signed_state import SignedState

KEYS = [CryptoSigner(Ed25519PrivateKey.generate()).public_key for _ in range(3)]
ID = "0" * 64
GOOD: dict[str, Any] = {"channel": "north", "release": 3, "bundle": "20261122T120000Z-0123456789ab"}


def delegated(*channels: str) -> Targets:
    """A list that delegates each channel to a key of its own."""
    listed = Targets()
    for channel, key in zip(channels, KEYS, strict=False):
        delegations.delegate(listed, channel, key, delegated_paths(channel, software=False))
    return listed


def keys_in(listed: Targets) -> int:
    return 0 if listed.delegations is None else len(listed.delegations.keys)


def test_a_channel_has_the_key_that_it_was_given_last_and_no_other() -> None:
    listed = delegated("north", "south")
    assert keys_in(listed) == 2
    paths = delegated_paths("north", software=True)
    role = delegations.delegate(listed, "north", KEYS[2], paths)
    assert (keys_in(listed), role.keyids, role.paths) == (2, [KEYS[2].keyid], paths)
    assert delegations.delegation(listed, "north") == role
    assert (role.threshold, role.terminating) == (1, True)
    assert set(delegations.delegations(listed)) == {"north", "south"}
    assert delegations.foreign(listed) == []


def test_a_channel_that_is_revoked_has_no_key() -> None:
    listed = delegated("north", "south")
    delegations.revoke(listed, "east")
    delegations.revoke(listed, "north")
    assert delegations.delegation(listed, "north") is None
    assert (keys_in(listed), set(delegations.delegations(listed))) == (1, {"south"})
    delegations.revoke(listed, "south")
    assert listed.delegations is None
    delegations.revoke(listed, "south")
    assert delegations.delegations(listed) == {}
    assert delegations.foreign(listed) == delegations.remove_foreign(listed) == []


@pytest.mark.parametrize(
    ("changed", "ours"),
    [
        ({}, True),
        ({"paths": delegated_paths("west", software=True)}, True),
        ({"name": "west"}, False),
        ({"name": "channel-../west"}, False),
        ({"threshold": 2}, False),
        ({"terminating": False}, False),
        ({"paths": []}, False),
        ({"paths": ["east/manifest.json"]}, False),
        ({"keyids": ["short"]}, False),
    ],
)
def test_any_other_delegation_is_foreign_and_goes_with_its_keys(
    changed: dict[str, Any], ours: bool
) -> None:
    listed = delegated("north", "south")
    assert listed.delegations is not None
    assert listed.delegations.roles is not None
    plain: dict[str, Any] = {
        "name": "channel-west", "keyids": [ID], "threshold": 1, "terminating": True,
        "paths": ["west/manifest.json"],
    }  # fmt: skip
    role = DelegatedRole(**plain | changed)
    listed.delegations.roles[role.name] = role
    listed.delegations.keys[ID] = KEYS[2]
    before = listed.delegations
    named = [] if ours else [role.name]
    assert delegations.foreign(listed) == delegations.remove_foreign(listed) == named
    assert (listed.delegations is before) is ours
    assert set(delegations.delegations(listed)) == {"north", "south"} | (
        {"west"} if ours else set()
    )
    assert keys_in(listed) == (3 if ours else 2)


def test_a_delegation_by_beginnings_of_digests_is_foreign() -> None:
    listed = Targets()
    listed.delegations = Delegations({}, None, SuccinctRoles([ID], 1, 2, "bin"))
    assert delegations.delegation(listed, "north") is None
    assert delegations.delegations(listed) == {}
    assert delegations.foreign(listed) == ["bin-*"]
    delegations.revoke(listed, "north")
    assert delegations.foreign(listed) == ["bin-*"]
    assert delegations.remove_foreign(listed) == ["bin-*"]
    assert listed.delegations is None


def test_a_key_is_given_in_place_of_a_delegation_by_digests() -> None:
    listed = Targets()
    listed.delegations = Delegations({}, None, SuccinctRoles([ID], 1, 2, "bin"))
    delegations.delegate(listed, "north", KEYS[0], delegated_paths("north", software=False))
    assert list(delegations.delegations(listed)) == ["north"]


def signed(path: str, fields: object, **changed: Any) -> ChannelList:
    """What the key of ``north`` has signed, one target."""
    role = delegations.delegation(delegated("north"), "north")
    assert role is not None
    target = TargetFile.from_data(path, b"{}", ["sha256"])
    target.unrecognized_fields["custom"] = fields
    for name, value in changed.items():
        setattr(target, name, value)
    listed = Targets()
    listed.targets[path] = target
    return ChannelList(role, listed)


STAGED = "north/staged/manifest.json"
SHA = sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    ("path", "fields", "changed", "problem"),
    [
        ("north/manifest.json", {}, {}, ""),
        ("north/manifest.json", {"channel": "south" * 30}, {}, "signed for '" + "south" * 16 + "'"),
        ("north/manifest.json", {"channel": None}, {}, "has no release, no bundle or no sha256"),
        ("north/manifest.json", {"release": 0}, {}, "has no release, no bundle or no sha256"),
        ("north/manifest.json", {"bundle": 3}, {}, "has no release, no bundle or no sha256"),
        ("north/manifest.json", {"bundle": "a b"}, {}, "has no release, no bundle or no sha256"),
        ("north/manifest.json", {}, {"hashes": {"sha256": "x"}}, "has no release, no bundle or"),
        ("north/manifest.json", {}, {"hashes": {"sha256": SHA, "x": SHA}}, "has no release, no"),
        (STAGED, {}, {}, "is no staged release"),
        (STAGED, {"share": 5, "stopped": False}, {}, ""),
        ("south/manifest.json", {}, {}, "has signed 'south/manifest.json', which it may not"),
    ],
)
def test_each_field_of_what_a_channels_key_signed_is_checked(
    path: str, fields: dict[str, Any], changed: dict[str, Any], problem: str
) -> None:
    found = signed(path, GOOD | fields, **changed)
    if not problem:
        check(found, "memory://store")
        return
    with pytest.raises((ForgedError, WrongChannelError)) as refused:
        check(found, "memory://store")
    assert problem in str(refused.value)


def test_numbers_that_were_used_are_kept_and_never_go_back() -> None:
    listed = Targets()
    assert numbered(listed, "a") == 0
    note_numbers(listed, [("a", 3), ("b", 0)])
    note_numbers(listed, [("a", 2), ("c", 1), ("d", LARGEST_COUNTED + 1)])
    assert listed.unrecognized_fields["numbered"] == {"a": 3, "c": 1}
    listed.unrecognized_fields["numbered"] = "nonsense"
    assert numbered(listed, "a") == 0
    note_numbers(listed, [])
    assert listed.unrecognized_fields["numbered"] == "nonsense"


def test_a_list_of_which_nothing_is_taken_away_is_not_signed_again() -> None:
    state = SignedState.first()
    assert {part.version for part in (state.timestamp, state.snapshot, state.targets)} == {0}
    target = TargetFile.from_data("a", b"{}", ["sha256"])
    state.remove("a")
    assert state.changed == set()
    state.put(target)
    assert (state.changed, state.target("a")) == ({"targets"}, target)
    state.changed.clear()
    state.remove("a")
    assert (state.changed, state.target("a")) == ({"targets"}, None)
