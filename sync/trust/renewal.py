"""Find the signature that ends first, and the command with which the owner renews it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuf.api.metadata import Signed

WARN_BEFORE = timedelta(days=30)
PREFIX = "channel-"  # of the role that signs one channel; see `sync.trust.delegations`
COMMANDS = {
    "root": "visual-search sync keys rotate",
    "targets": "visual-search sync publish (where no channel is left to publisher/: sync refresh, "
    "with publisher/ in the key folder)",
    "snapshot": "visual-search sync refresh",
    "timestamp": "visual-search sync refresh",
}


@dataclass(frozen=True)
class SignatureExpiry:
    """When the signature of a role ends."""

    role: str
    expires: datetime


def first_expiry(*signed: Signed, own: Mapping[str, Signed] | None = None) -> SignatureExpiry:
    """The expiry of the role that ends first; of several at once, of the one given first.

    Args:
        signed: TUF's own roles.
        own: Roles of channels that have keys of their own, by name.
    """
    found = [SignatureExpiry(role.type, role.expires) for role in signed]
    found += [SignatureExpiry(name, role.expires) for name, role in (own or {}).items()]
    return min(found, key=lambda role: role.expires)


def channel_of(role: str) -> str:
    """Return the channel of a delegated role; empty for TUF's own four."""
    return role.removeprefix(PREFIX) if role.startswith(PREFIX) else ""


def command(role: str) -> str:
    """The command that renews a role."""
    if channel := channel_of(role):
        return f"visual-search sync publish --channel {channel}"
    return COMMANDS.get(role, COMMANDS["timestamp"])


def signer(role: str) -> str:
    """Who has the key of a role."""
    channel = channel_of(role)
    return f"whoever has the key of the channel {channel!r}" if channel else "the owner"


def warning(expires: datetime | None, role: str, now: datetime) -> str:
    """A warning about the signature that ends first; empty while it is valid long enough."""
    if expires is None or expires - now >= WARN_BEFORE:
        return ""
    if expires < now:
        again = f"nothing newer is believed until {signer(role)} runs {command(role)}"
        return f"which is past: {again}"
    return f"{(expires - now).days} days ahead: {signer(role)} should run {command(role)}"
