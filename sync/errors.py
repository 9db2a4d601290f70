"""The errors of the link, below the root in `catalog.core.errors`.

::

    ContentError
    ├── TrustError              signed metadata that cannot be believed
    │   ├── ForgedError             not signed by the owner, or not what was signed
    │   ├── RolledBackError         older than what was seen before
    │   ├── ExpiredError            its dates have passed
    │   ├── TooLargeError           more bytes than such a file may have
    │   ├── WrongChannelError       signed for another channel
    │   └── NotPublishedError       nothing was published in the channel
    ├── KeysError               a key, its passphrase or its folder that cannot be used
    └── EventError              an event that cannot be reported as it is
    SurroundingsError
    └── OutboxError             the outbox cannot be used
    NetworkError
    ├── StoreError              a store that cannot be reached, refuses, or lacks something
    │   ├── StoreUnreachableError        no name, no answer, too slow, or it broke off
    │   ├── StoreRefusedError            it answers, and says no (credentials, rights)
    │   ├── NotInStoreError              it has nothing of that name
    │   ├── StoreBusyError               it failed or is overloaded: the same may work later
    │   ├── StoreChangedError            the object became another while it was read
    │   ├── StoreConflictError           somebody else wrote first
    │   └── StoreTooLargeError           the object has more bytes than it may have
    └── TransportError          a broker or core that cannot be reached or refuses
"""

from __future__ import annotations

from datetime import datetime

from catalog.core.errors import ContentError, NetworkError, SurroundingsError


class TrustError(ContentError):
    """Signed metadata that cannot be believed.

    Attributes:
        outcome: The refusal as ``sync status`` names it.
    """

    outcome = "not-trusted"


class ForgedError(TrustError):
    """Not signed by enough of the owner's keys, or not what was signed."""

    outcome = "forged"


class RolledBackError(TrustError):
    """Older than what this device has seen before."""

    outcome = "rolled-back-metadata"


class ExpiredError(TrustError):
    """Signed, and its dates have passed.

    Args:
        message: What has expired, with the dates and the clock they were held against.
        expired: When the signature's validity ended.
        clock: What this machine's own clock says.
    """

    outcome = "expired"

    def __init__(self, message: str, expired: datetime, clock: datetime) -> None:
        super().__init__(message)
        self.expired = expired
        self.clock = clock


class TooLargeError(TrustError):
    """More bytes than such a file may have."""

    outcome = "too-large"


class WrongChannelError(TrustError):
    """Signed for another channel than the one it was found in."""

    outcome = "wrong-channel"


class NotPublishedError(TrustError):
    """The owner's signed list names no bundle for the channel."""

    outcome = "not-published"


class KeysError(ContentError):
    """A signing key, its passphrase or its folder that cannot be used."""


class EventError(ContentError):
    """An event that cannot be reported as it is."""


class OutboxError(SurroundingsError):
    """The outbox cannot be used."""


class StoreError(NetworkError):
    """A store that cannot be reached, refuses, or lacks something.

    Attributes:
        outcome: The failure as ``sync status`` names it.
    """

    outcome = "store-failed"


class StoreUnreachableError(StoreError):
    """No such name, no answer, too slow, or the connection broke off."""

    outcome = "offline"


class StoreRefusedError(StoreError):
    """The store answers, and says no: credentials or rights."""

    outcome = "store-refused"


class NotInStoreError(StoreError):
    """The store has nothing of that name."""

    outcome = "not-in-store"


class StoreBusyError(StoreError):
    """The store failed or is overloaded; the same may work later."""

    outcome = "store-busy"


class StoreChangedError(StoreError):
    """The object became another while it was read."""

    outcome = "store-changed"


class StoreConflictError(StoreError):
    """Somebody else wrote first; nothing was overwritten."""

    outcome = "store-conflict"


class StoreTooLargeError(StoreError):
    """The object has more bytes than it may have."""

    outcome = "too-large"


class TransportError(NetworkError):
    """A way out that cannot be reached or refuses."""
