"""Ask a device all the time, and remember how long it was without an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

EVERY_S = 0.05
TIMEOUT_S = 30.0


class Watch:
    """Asks for the newest answer twenty times a second.

    Attributes:
        longest_s: The longest time without an answer while the device was meant to run, in seconds.
        strange: Catalogues that were in use and never published.

    Args:
        port: The device's.
        published: The ids of all catalogues that were published; may grow.
    """

    def __init__(self, port: int, published: set[str]) -> None:
        self.longest_s = 0.0
        self.strange: set[str] = set()
        self._published = published
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S)
        self._lock = threading.Lock()
        self._is_away = True
        self._answered_at = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @contextmanager
    def away(self) -> Iterator[None]:
        """What is asked in this block may have no answer: the device was killed or stopped."""
        with self._lock:
            self._is_away = True
        yield
        with self._lock:
            self._is_away, self._answered_at = False, time.monotonic()

    def close(self) -> None:
        """Stop asking."""
        self._over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                answer = self._client.get("/api/latest")
                bundle = answer.json().get("bundle") if answer.is_success else None
            except (httpx.HTTPError, ValueError):
                bundle = None
            with self._lock:
                now = time.monotonic()
                if self._is_away:
                    continue
                self.longest_s = max(self.longest_s, now - self._answered_at)
                if bundle is None:
                    continue
                self._answered_at = now
                if bundle not in self._published:
                    self.strange.add(bundle)
