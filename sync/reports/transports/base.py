"""What a way out looks like to the reporter; one small class for each kind."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Refusal(Enum):
    """What a refusal means for what is still to be sent."""

    MESSAGE = "message"  # this message will never be taken
    TOPIC = "topic"  # nothing may be sent to this topic, until somebody allows it
    LATER = "later"  # too much at once, or a fault over there: the same again, later


class TransportCallbacks(Protocol):
    """Hears from a transport, on any thread; must not block."""

    def accepted(self, token: int) -> None:
        """The other side has taken responsibility for the message."""

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """The other side looked at the message and said no."""

    def lost(self, reason: str) -> None:
        """The connection is gone; messages under way will hear nothing more."""

    def command(self, topic: str, payload: bytes) -> None:
        """The other side wants something."""


class Transport(Protocol):
    """A way out. Used by one thread; made anew after every loss.

    Attributes:
        name: As in the settings.
        window: How many messages the other side takes before it has answered the first.
    """

    name: str
    window: int

    def open(self, listener: TransportCallbacks) -> None:
        """Connect.

        Raises:
            TransportError: Says plainly what stands in the way.
        """

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Begin to send a message; the listener hears of its fate by `token`.

        Raises:
            TransportError: It could not even be begun; make the transport anew.
        """

    def close(self) -> None:
        """Leave, within a second; never raises."""
