"""What a device says over the reporter's connection besides its events, and what it is told.

A conversation is with a service behind the broker, as AWS IoT's shadows and jobs are. It never
waits: it is asked for messages, and told what came in, on the reporter's thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Conversation(Protocol):
    """One conversation, which outlives connections.

    Attributes:
        prefix: What all its topics begin with, those to hear and those to send to.
        topics: What it subscribes to; useless without each other, and not more than 8.
    """

    prefix: str
    topics: tuple[str, ...]

    def opened(self) -> None:
        """A connection was made; what the former one carried may be lost."""

    def heard(self, topic: str, payload: bytes) -> None:
        """A message came in on one of the topics."""

    def due(self) -> Iterable[tuple[str, bytes]]:
        """Topics and payloads of the messages to send now; called several times a second."""

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to say, and no answer that is waited for."""
