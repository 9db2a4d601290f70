"""The queue of callbacks: a wait ends with its time-out."""

from __future__ import annotations

import queue
import signal
import threading
import time
from types import FrameType

import pytest

from sync.reports.callbacks import CallbackQueue


def test_a_timeout_that_ends_while_the_thread_is_held_up_is_not_missed() -> None:
    """A signal handler delays the thread here; a busy machine does it by running others."""
    callbacks = CallbackQueue()

    def hold_up(number: int, frame: FrameType | None) -> None:
        time.sleep(0.1)

    rescue = threading.Timer(10, callbacks.lost, args=("it waited for ever",))
    rescue.start()
    former = signal.signal(signal.SIGALRM, hold_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(queue.Empty):
            callbacks.callbacks.get(timeout=0.05)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        rescue.cancel()
