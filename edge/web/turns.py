"""Do costly work for visitors in turn: little at once, and a share for each client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from edge.web.places import Places
from edge.web.problems import ProblemError
from edge.words import Words

Answer = TypeVar("Answer")


class Turns:
    """A queue of visitors' work. Many threads may use it at once.

    Args:
        name: What the threads are called that do the work.
        at_once: How much is done at once.
        most: How much is done or waits; each takes a thread of the server.
        most_of_client: How much of that is one client's.
    """

    def __init__(self, name: str, at_once: int, most: int, most_of_client: int) -> None:
        # The same few threads do all the work: each thread that ever searched keeps memory.
        self._workers = ThreadPoolExecutor(at_once, name)
        self._places = Places(most, most_of_client)

    def take(self, client: str, patience: float, work: Callable[[], Answer]) -> Answer:
        """Return what `work` returns, as soon as it is its turn.

        Raises:
            ProblemError: Too much waits, or its turn has not come within `patience` seconds.
        """
        if not self._places.take(client):
            raise busy()
        try:
            done = self._workers.submit(work)
            wait([done], patience)
            if done.cancel():  # it has not begun
                raise busy()
            return done.result()
        finally:
            self._places.give_back(client)


def busy() -> ProblemError:
    """Return what a visitor is told whose turn does not come."""
    words = Words("Others are searching; try again in a moment.")
    return ProblemError(503, words, {"Retry-After": "3"})
