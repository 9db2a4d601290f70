"""Threads for requests are started as they are needed, up to a number."""

from __future__ import annotations

import threading

from edge.web.dispatcher import MOST_IDLE, Dispatcher
from tests.support.served_page import WAIT, eventually


class Request:
    """A request that is answered until the test lets it end."""

    def __init__(self) -> None:
        self.begun, self.leave, self.done = (threading.Event() for _ in range(3))

    def service(self) -> None:
        self.begun.set()
        self.leave.wait(WAIT)
        self.done.set()

    def cancel(self) -> None:
        pass


def test_each_request_that_finds_no_idle_thread_starts_one_up_to_the_most() -> None:
    dispatcher = Dispatcher(3)
    assert not dispatcher.threads
    requests = [Request() for _ in range(5)]
    for request in requests:
        dispatcher.add_task(request)
    for request in requests[:3]:
        assert request.begun.wait(WAIT)
    assert len(dispatcher.threads) == 3
    assert not any(request.begun.is_set() for request in requests[3:]), "they wait for their turn"
    for request in requests:
        request.leave.set()
    for request in requests:
        assert request.done.wait(WAIT)
    dispatcher.shutdown(timeout=WAIT)
    assert not dispatcher.threads


def test_threads_that_nobody_needs_any_more_end_one_by_one() -> None:
    """Those that stay answer what comes meanwhile."""
    dispatcher = Dispatcher(64)
    requests = [Request() for _ in range(MOST_IDLE + 2)]
    for request in requests:
        dispatcher.add_task(request)
    dispatcher.stop_surplus()
    assert len(dispatcher.threads) == MOST_IDLE + 2
    for request in requests:
        request.leave.set()
    eventually(lambda: dispatcher.active_count == 0)
    for left in (MOST_IDLE + 1, MOST_IDLE, MOST_IDLE):
        dispatcher.stop_surplus()
        last = Request()
        last.leave.set()
        dispatcher.add_task(last)
        assert last.done.wait(WAIT)
        eventually(lambda left=left: len(dispatcher.threads) == left)  # type: ignore[misc]
        eventually(lambda: dispatcher.active_count == 0)
    dispatcher.shutdown(timeout=WAIT)
    assert not dispatcher.threads


def test_requests_that_follow_each_other_need_one_thread() -> None:
    dispatcher = Dispatcher(64)
    for _ in range(20):
        request = Request()
        request.leave.set()
        dispatcher.add_task(request)
        assert request.done.wait(WAIT)
        eventually(lambda: dispatcher.active_count == 0)
    assert len(dispatcher.threads) == 1
    dispatcher.shutdown(timeout=WAIT)
