"""Find the signature that ends first, and the command with which the owner renews it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuf.api.metadata import Signed

WARN_BEFORE = timedelta(days=30)
COMMANDS = {
    "root": "visual-search sync keys rotate",
    "targets": "visual-search sync publish",
    "snapshot": "visual-search sync refresh",
    "timestamp": "visual-search sync refresh",
}


@dataclass(frozen=True)
class SignatureExpiry:
    """When the signature of a role ends."""

    role: str
    expires: datetime


def first_expiry(*signed: Signed) -> SignatureExpiry:
    """The expiry of the role that ends first; of several at once, of the one given first."""
    role = min(signed, key=lambda role: role.expires)
    return SignatureExpiry(role.type, role.expires)


def command(role: str) -> str:
    """The command that renews a role."""
    return COMMANDS.get(role, COMMANDS["timestamp"])


def warning(expires: datetime | None, role: str, now: datetime) -> str:
    """A warning about the signature that ends first; empty while it is valid long enough."""
    if expires is None or expires - now >= WARN_BEFORE:
        return ""
    if expires < now:
        again = f"nothing newer is believed until the owner runs {command(role)}"
        return f"which is past: {again}"
    return f"{(expires - now).days} days ahead: the owner should run {command(role)}"
