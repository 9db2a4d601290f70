"""The threads that answer requests: as many as are needed, and a few that wait for the next one."""

from __future__ import annotations

import logging
from typing import Any

from waitress.task import ThreadedTaskDispatcher

MOST_IDLE = 8  # threads; a page that opens asks for as much at once

logger = logging.getLogger(__name__)


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Gives each request to a thread; starts one where none is idle.

    Waitress starts all threads at once; a device with one visitor needs a few of them.

    Args:
        most: How many threads there are at most.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def add_task(self, task: Any) -> None:
        """Let a thread do a task as soon as one is idle; start one where that is possible.

        Where the system starts no thread, the task waits for one that runs. Where none runs, the
        next task tries to start one, which then does both.
        """
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()
            if len(self.queue) > self._idle() and len(self.threads) < self._most:
                self._start_thread()

    def stop_surplus(self) -> None:
        """Stop one thread where more than a few are idle."""
        with self.lock:
            running = len(self.threads) - self.stop_count
            is_surplus = not self.queue and self._idle() > MOST_IDLE
        if is_surplus:
            self.set_thread_count(running - 1)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:  # noqa: FBT001, FBT002 - waitress'
        """Stop all threads; whether tasks were left that none has begun."""
        self._most = 0  # none is started any more
        left: bool = super().shutdown(cancel_pending, timeout)
        return left

    def _start_thread(self) -> None:
        number = next(free for free in range(self._most) if free not in self.threads)
        self.threads.add(number)
        self.active_count += 1  # it counts itself out when it waits
        try:
            self.start_new_thread(self.handler_thread, number)
        except RuntimeError as error:  # no memory, or too many threads on this system
            self.threads.discard(number)
            self.active_count -= 1
            logger.warning("no thread can be started for a request, which waits: %s", error)

    def _idle(self) -> int:
        idle: int = len(self.threads) - self.stop_count - self.active_count
        return idle
