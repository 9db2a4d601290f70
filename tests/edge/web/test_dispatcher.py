"""Threads for requests are started as they are needed, up to a number."""

from __future__ import annotations

import logging
import threading

import pytest

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


def no_thread(_: threading.Thread) -> None:
    """What starting a thread does where there are too many."""
    raise RuntimeError("can't start new thread")


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


def test_a_thread_that_cannot_be_started_takes_no_place(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The task waits for a thread that runs; where none does, the next task starts one for both."""
    first, second = Request(), Request()
    dispatcher = Dispatcher(1)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "edge.web.dispatcher"):
        patch.setattr(threading.Thread, "start", no_thread)
        dispatcher.add_task(first)
    assert "can't start new thread" in caplog.text
    assert (len(dispatcher.threads), dispatcher.active_count) == (0, 0)
    first.leave.set()
    second.leave.set()
    dispatcher.add_task(second)
    assert first.done.wait(WAIT)
    assert second.done.wait(WAIT)
    eventually(lambda: dispatcher.active_count == 0)
    dispatcher.shutdown(timeout=WAIT)
    assert not dispatcher.threads


def test_where_no_more_threads_can_be_started_those_that_run_do_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = Request(), Request()
    dispatcher = Dispatcher(2)
    dispatcher.add_task(first)
    assert first.begun.wait(WAIT)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        dispatcher.add_task(second)
    assert len(dispatcher.threads) == 1
    second.leave.set()
    first.leave.set()
    assert second.done.wait(WAIT)
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
