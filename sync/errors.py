"""The errors of sync, below the root in `catalog.core.errors`.

::

    ContentError
    ├── TrustError              signed metadata that cannot be trusted
    │   ├── ForgedError             not signed by the owner, or not what was signed
    │   ├── RolledBackError         older than what this device has seen before
    │   ├── ExpiredError            its signature has expired
    │   ├── TooLargeError           more bytes than such a file may have
    │   ├── WrongChannelError       signed for another channel
    │   └── NotPublishedError       nothing was published in the channel
    ├── ReleaseError            a release of the program that cannot be used
    ├── KeysError               a key, its passphrase or its folder that cannot be used
    ├── EventError              an event that cannot be reported
    └── FleetError              a shadow's document, or a file of a fleet, that cannot be used
    SurroundingsError
    ├── OutboxError             the outbox cannot be used
    └── NoOutboxError           nothing was recorded yet
    NetworkError
    ├── StoreError              a store that cannot be reached, refuses, or lacks an object
    │   ├── StoreUnreachableError   name unknown, no answer, too slow, or cut off
    │   ├── StoreRefusedError       it refuses: credentials or permissions
    │   ├── NotInStoreError         it has no object of that name
    │   ├── StoreBusyError          it failed or is overloaded: the same may work later
    │   ├── StoreChangedError       the object was replaced while it was read
    │   ├── StoreConflictError      another process has written the object first
    │   └── StoreTooLargeError      the object has more bytes than it may have
    ├── FleetIndexError         AWS IoT's index of a fleet, which cannot be read
    ├── ProvisioningError       no certificate of its own for this device
    │   └── RejectedError           AWS IoT answers that it rejects the request
    └── TransportError          a broker or core that cannot be reached or refuses
"""

from __future__ import annotations

from datetime import datetime

from catalog.core.errors import ContentError, NetworkError, SurroundingsError


class TrustError(ContentError):
    """Signed metadata that cannot be trusted.

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
    """Signed by the owner, but the signature has expired.

    Args:
        message: What has expired, when, and what the clock says.
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
    """Signed for another channel than the one that it was found in."""

    outcome = "wrong-channel"


class NotPublishedError(TrustError):
    """The owner's signed list names no bundle for the channel."""

    outcome = "not-published"


class ReleaseError(ContentError):
    """A release of the program that cannot be read, installed or started."""


class KeysError(ContentError):
    """A signing key, its passphrase or its folder that cannot be used."""


class EventError(ContentError):
    """An event that cannot be reported."""


class FleetError(ContentError):
    """What a shadow desires, or a file about a fleet, that cannot be used."""


class OutboxError(SurroundingsError):
    """The outbox cannot be used."""


class NoOutboxError(SurroundingsError):
    """Nothing was recorded on this device yet."""


class StoreError(NetworkError):
    """A store that cannot be reached, refuses, or lacks an object.

    Attributes:
        outcome: The failure as ``sync status`` names it.
    """

    outcome = "store-failed"


class StoreUnreachableError(StoreError):
    """The name is unknown, no answer came, it was too slow, or the connection was cut off."""

    outcome = "offline"


class StoreRefusedError(StoreError):
    """The store refuses: wrong credentials, or missing permissions."""

    outcome = "store-refused"


class NotInStoreError(StoreError):
    """The store has no object of that name."""

    outcome = "not-in-store"


class ForgedListingError(StoreError):
    """A device's list of shared files, or a file of it, is not what the device signed."""

    outcome = "forged-listing"


class StoreBusyError(StoreError):
    """The store failed or is overloaded; the same may work later."""

    outcome = "store-busy"


class StoreChangedError(StoreError):
    """The object was replaced while it was read."""

    outcome = "store-changed"


class StoreConflictError(StoreError):
    """Another process has written the object first; nothing was overwritten."""

    outcome = "store-conflict"


class StoreTooLargeError(StoreError):
    """The object has more bytes than it may have."""

    outcome = "too-large"


class FleetIndexError(NetworkError):
    """AWS IoT's index of a fleet cannot be read; the message says why and what to do."""


class ProvisioningError(NetworkError):
    """This device got no certificate of its own; the message says why and what to do."""


class RejectedError(ProvisioningError):
    """AWS IoT answered that it rejects a request of this device."""


class TransportError(NetworkError):
    """A transport that cannot be reached, or that refuses."""
