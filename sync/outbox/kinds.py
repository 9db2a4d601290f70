"""The kinds of events: which give way where there is no room, and which are sent as they are.

Whoever only reads an outbox needs no more than this, and it is quick to import.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["sighting", "status", "heartbeat", "features", "message"]

# When the outbox is full, events of the lowest priority are dropped first.
PRIORITY: dict[Kind, int] = {
    "features": 0,
    "message": 0,
    "sighting": 1,
    "heartbeat": 2,
    "status": 3,
}
VERBATIM: frozenset[str] = frozenset(("features", "message"))  # sent without an envelope


def with_position(payload: bytes, kind: str, stream: str, sequence: int) -> bytes:
    """Add the position in the stream to a rendered event; the result is what is sent."""
    if kind in VERBATIM:
        return payload
    return payload[:-1] + f',"stream":"{stream}","sequence":{sequence}}}'.encode()
