"""What a way out looks like to the reporter; one small class for each kind."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Hears from a transport, on any thread; must not block."""

    def accepted(self, token: int) -> None:
        """The other side has taken responsibility for the message."""

    def refused(self, token: int, reason: str) -> None:
        """The other side looked at the message and said no."""

    def lost(self, reason: str) -> None:
        """The connection is gone; messages under way will hear nothing more."""

    def command(self, topic: str, payload: bytes) -> None:
        """The other side wants something."""


class Transport(Protocol):
    """A way out. Used by one thread; made anew after every loss."""

    name: str

    def open(self, listener: Listener) -> None:
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
