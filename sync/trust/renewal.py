"""Which signature ends first, and what its owner does about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuf.api.metadata import Signed

SOON = timedelta(days=30)
COMMANDS = {
    "root": "visual-search sync keys rotate",
    "targets": "visual-search sync publish",
    "snapshot": "visual-search sync refresh",
    "timestamp": "visual-search sync refresh",
}


@dataclass(frozen=True)
class SignatureExpiry:
    """The end of a signature: its role, and when."""

    role: str
    expires: datetime


def first(*signed: Signed) -> SignatureExpiry:
    """Which of the roles ends first; of several at once the one given first."""
    role = min(signed, key=lambda one: one.expires)
    return SignatureExpiry(role.type, role.expires)


def command(role: str) -> str:
    """What the owner runs to renew a role."""
    return COMMANDS.get(role, COMMANDS["timestamp"])


def warning(expires: datetime | None, role: str, now: datetime) -> str:
    """What to say of the first signature that ends; empty while there is time."""
    if expires is None or expires - now >= SOON:
        return ""
    if expires < now:
        again = f"nothing newer is believed until the owner runs {command(role)}"
        return f"which is past: {again}"
    return f"{(expires - now).days} days ahead: the owner should run {command(role)}"
