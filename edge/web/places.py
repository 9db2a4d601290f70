"""A limited number of places, of which one client can only have some."""

from __future__ import annotations

import threading
from collections import Counter


class Places:
    """Counts who has how many places. Many threads may use it at once.

    Args:
        most: How many places there are.
        most_of_client: How many of them one client may have.
    """

    def __init__(self, most: int, most_of_client: int) -> None:
        self.most = most
        self.most_of_client = most_of_client
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        with self._lock:
            return self._taken.total()

    def take(self, client: str) -> bool:
        """Take a place for a client; whether there was one."""
        with self._lock:
            is_free = self._taken.total() < self.most and self._taken[client] < self.most_of_client
            if is_free:
                self._taken[client] += 1
            return is_free

    def give_back(self, client: str) -> None:
        """Give a client's place back."""
        with self._lock:
            self._taken[client] -= 1
            self._taken += Counter()  # forgets the clients that have none
