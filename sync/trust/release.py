"""A release of a channel, and the fields that sync adds to TUF's metadata for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeGuard

from tuf.api.metadata import TargetFile, Timestamp

from sync.errors import ForgedError, NotPublishedError

ISSUED = "issued"  # a field of the timestamp role that sync adds
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
CHANNEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LARGEST_NUMBER = (1 << 53) - 1  # of a release or a list; every JSON reader can hold it
LARGEST_COUNTED = LARGEST_NUMBER // 2  # the owner counts on from no more, so numbers never run out


@dataclass(frozen=True)
class Release:
    """The newest release of a channel, as the owner has signed it.

    Attributes:
        channel: Its channel.
        number: Counts up by one with every publish in the channel.
        bundle: The bundle's id.
        manifest: Its ``manifest.json``, verified; `manifest.parse_manifest` reads it.
        issued: When the owner last signed the repository's state; None where that is not signed.
        expires: When the first of the signatures ends.
        ends: Which role's signature that is.
        changes: Its ``changes.json``, verified; empty for none. See `sync.trust.changes`.
    """

    channel: str
    number: int
    bundle: str
    manifest: bytes
    issued: datetime | None
    expires: datetime
    ends: str = ""
    changes: bytes = b""


@dataclass(frozen=True)
class SoftwareRelease:
    """The newest release of the program in a channel, as the owner has signed it.

    Attributes:
        channel: Its channel.
        number: Counts up by one with every software that is published in the channel.
        content: The list of its files, verified; `software.parse_list` reads it.
    """

    channel: str
    number: int
    content: bytes


def manifest_path(channel: str) -> str:
    """The target path of a channel's manifest.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    return f"{_checked(channel)}/manifest.json"


def changes_path(channel: str) -> str:
    """The target path of what changed in a channel's newest release.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    return f"{_checked(channel)}/changes.json"


def staged_path(channel: str) -> str:
    """The target path of a channel's staged release; see `sync.trust.staging`.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    return f"{_checked(channel)}/staged/manifest.json"


def staged_changes_path(channel: str) -> str:
    """The target path of what changed in a channel's staged release.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    return f"{_checked(channel)}/staged/changes.json"


def software_path(channel: str) -> str:
    """The target path of a channel's list of the program's files.

    Raises:
        NotPublishedError: That is no name for a channel.
    """
    return f"{_checked(channel)}/software.json"


def fields_of(target: TargetFile | None) -> dict[str, object]:
    """Return the fields that were signed with a target; none where they are no JSON object."""
    fields = target.custom if target is not None else None
    return fields if isinstance(fields, dict) else {}


def is_number(value: object, largest: int = LARGEST_NUMBER) -> TypeGuard[int]:
    """Return whether a value that was signed is a number that a release or a list may have."""
    return type(value) is int and 1 <= value <= largest


def _checked(channel: str) -> str:
    if not CHANNEL.fullmatch(channel):
        raise NotPublishedError(
            f"{channel!r} is no name for a channel: small letters, digits, '.', '_' and '-', "
            "at most 63"
        )
    return channel


def issued_at(timestamp: Timestamp) -> datetime | None:
    """When a timestamp was signed; None where it does not say so.

    Raises:
        ForgedError: The field is no time.
    """
    issued = timestamp.unrecognized_fields.get(ISSUED)
    if issued is None:
        return None
    try:
        return datetime.strptime(issued, TIME_FORMAT).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise ForgedError(f"{issued!r} is no time of issue") from error
