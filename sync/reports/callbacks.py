"""Collect the callbacks of a transport, which come on its own threads, for the session's thread."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from typing import Literal

from sync.reports.transports.base import Refusal

MAX_MESSAGES = 50  # that wait; further ones are ignored


@dataclass(frozen=True)
class Callback:
    """One call of a transport; its arguments are those of `TransportCallbacks`."""

    kind: Literal["accepted", "refused", "lost", "command"]
    token: int = 0
    reason: str = ""
    refusal: Refusal = Refusal.LATER
    taken_over: bool = False


@dataclass
class CallbackQueue:
    """The `TransportCallbacks` of one connection: every call is put in a queue.

    A `queue.SimpleQueue` would wait for ever when a time-out ends between two of its steps
    (CPython 3.11), which happens on a busy machine: the reporter would stop.

    Attributes:
        callbacks: All calls, in order.
        messages: Topics and payloads of what came in, at most `MAX_MESSAGES`.
    """

    callbacks: queue.Queue[Callback] = field(default_factory=queue.Queue)
    messages: queue.Queue[tuple[str, bytes]] = field(
        default_factory=lambda: queue.Queue(MAX_MESSAGES)
    )

    def accepted(self, token: int) -> None:
        """See `TransportCallbacks.accepted`."""
        self.callbacks.put(Callback("accepted", token))

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """See `TransportCallbacks.refused`."""
        self.callbacks.put(Callback("refused", token, reason, refusal))

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        """See `TransportCallbacks.lost`."""
        self.callbacks.put(Callback("lost", reason=reason, taken_over=taken_over))

    def command(self, topic: str, payload: bytes) -> None:
        """See `TransportCallbacks.command`; ignored while `MAX_MESSAGES` others wait."""
        try:
            self.messages.put_nowait((topic, payload))
        except queue.Full:
            return
        self.callbacks.put(Callback("command"))
