"""The interface of a transport: how messages get from the reporter to the other side.

Each kind of transport is one file with one class, which `sync.reports.transports.choice` opens.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Refusal(Enum):
    """What a refusal means for the messages that are still to be sent."""

    MESSAGE = "message"  # this message will never be accepted
    TOPIC = "topic"  # no message to this topic is accepted until somebody allows it
    LATER = "later"  # too many at once, or a fault over there: send the same message again later


class TransportCallbacks(Protocol):
    """What a transport calls, on any thread; none of these may block."""

    def accepted(self, token: int) -> None:
        """The other side has taken responsibility for the message."""

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """The other side has refused the message."""

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        """The connection is lost; no further answers come.

        Args:
            reason: Why, in a sentence.
            taken_over: Whether another device has connected under this one's name, so that no
                message is to blame.
        """

    def command(self, topic: str, payload: bytes) -> None:
        """A message came in: a command, or what a conversation hears."""


class Transport(Protocol):
    """One connection to the other side. Used by one thread; made anew after every loss.

    Attributes:
        name: As in the settings.
        window: How many messages the other side takes before it has answered the first.
    """

    name: str
    window: int

    def open(self, callbacks: TransportCallbacks) -> None:
        """Connect.

        Raises:
            TransportError: It could not connect; the message says why and what to do.
        """

    def send(self, token: int, topic: str, payload: bytes) -> None:
        """Begin to send a message; the callbacks get its answer with `token`.

        Raises:
            TransportError: The sending could not be begun; make a new transport.
        """

    def close(self) -> None:
        """Disconnect, within a second; never raises."""
