"""Who has entered the PIN: sessions in memory, which end with the process."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

IDLE_S, LONGEST_S = 30 * 60.0, 12 * 3600.0  # without a request; in all
IDLE_HERE_S = 5 * 60.0  # at the device itself, where a visitor may be next
MOST = 50  # sessions; the one unused for longest ends first


@dataclass(frozen=True)
class Session:
    """A session.

    Attributes:
        token: What a request that changes something must carry in a header: another website can
            make a browser send the cookie, but cannot read this.
        mark: The mark of the PIN that was entered; with another PIN the session ends.
        idle_s: After how many seconds without a request it ends.
        began, used: When it began and was last used, in monotonic seconds.
    """

    token: str
    mark: str
    idle_s: float
    began: float
    used: float


class Sessions:
    """The open sessions. Many threads may use it at once.

    Args:
        clock: Tells monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # by the digest of the cookie

    def begin(self, mark: str, *, here: bool = False) -> tuple[str, Session]:
        """Begin a session; returns the cookie's value and the session.

        Args:
            mark: The mark of the PIN that was entered.
            here: Whether it was entered at the device itself.
        """
        cookie, now = secrets.token_urlsafe(32), self._clock()
        idle_s = IDLE_HERE_S if here else IDLE_S
        session = Session(secrets.token_urlsafe(32), mark, idle_s, now, now)
        with self._lock:
            self._sessions[_digest(cookie)] = session
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return cookie, session

    def find(self, cookie: str, mark: str) -> Session | None:
        """The session of a cookie, where the PIN still has this mark; it counts as used now."""
        digest, now = _digest(cookie), self._clock()
        with self._lock:
            session = self._sessions.pop(digest, None)
            if session is None:
                return None
            late = now - session.used > session.idle_s or now - session.began > LONGEST_S
            if late or session.mark != mark or not mark:
                return None
            self._sessions[digest] = replace(session, used=now)
            return session

    def end(self, cookie: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()
