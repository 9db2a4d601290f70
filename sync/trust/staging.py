"""Staged releases: offered to a share of a channel's devices before all others get them.

A staged release is a target of its own, ``<channel>/staged/manifest.json``, beside the release that
all devices have. Its field ``share`` says to how many of 10,000 devices it is offered, ``stopped``
that no further device takes it. Which devices these are follows from their ids and the bundle's, so
a larger share holds all devices of a smaller one, and each release begins with others. When the
target is gone, its devices follow the release of all others again.

Earlier versions of the program do not know of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tuf.api.metadata import TargetFile

from sync.errors import ForgedError
from sync.trust.release import fields_of

ALL = 10_000


@dataclass(frozen=True)
class Stage:
    """How far a staged release has come.

    Attributes:
        release: Its number.
        bundle: Its bundle's id.
        share: To how many of `ALL` devices it is offered.
        stopped: Whether no further device takes it.
    """

    release: int
    bundle: str
    share: int
    stopped: bool

    @classmethod
    def of(cls, target: TargetFile) -> Stage:
        """Read the stage that was signed with a target.

        Raises:
            ForgedError: Its fields are not those of a staged release.
        """
        fields = fields_of(target)
        found = [fields.get(name) for name in ("release", "bundle", "share", "stopped")]
        if [type(value) for value in found] != [int, str, int, bool]:
            raise ForgedError(f"{target.path} is no staged release")
        return cls(*found)  # type: ignore[arg-type]

    def is_for(self, device: str, active: str) -> bool:
        """Return whether a device follows this release.

        Args:
            device: The device's id.
            active: The id of its active bundle; a device that has taken the release keeps it.
        """
        if active == self.bundle:
            return True
        return not self.stopped and place_of(device, self.bundle) < self.share


def place_of(device: str, bundle: str) -> int:
    """Return a device's place, from 0 to `ALL` - 1, among those that may be offered a bundle."""
    digest = hashlib.sha256(f"{bundle}\n{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * ALL >> 64


def percent(share: int) -> str:
    """Return a share of `ALL` devices as people write it."""
    return f"{100 * share / ALL:g} %"
