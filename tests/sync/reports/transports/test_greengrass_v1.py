"""Greengrass V1: the real SDK over a stand-in of the core that it finds on a device."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator

import pytest

from catalog.core.errors import MissingExtraError
from sync.errors import TransportError
from sync.reports.transports import greengrass_v1
from sync.reports.transports.base import Refusal
from sync.reports.transports.greengrass_v1 import MAX_HANGING, GreengrassV1Transport
from tests.support import greengrass_core
from tests.support.greengrass_core import FUNCTION, Core, Message

SECONDS = 60.0  # until an awaited thing counts as missing


class RecordedCallbacks:
    """Callbacks of a transport that record every call."""

    def __init__(self) -> None:
        self._changed: queue.Queue[tuple[str, object]] = queue.Queue()
        self.refusals: list[object] = []

    def accepted(self, token: int) -> None:
        self._changed.put(("accepted", token))

    def refused(self, token: int, reason: str, refusal: object = None) -> None:
        self.refusals.append(refusal)
        self._changed.put(("refused", (token, reason)))

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        self._changed.put(("lost", reason))

    def command(self, topic: str, payload: bytes) -> None:
        self._changed.put(("command", topic))

    def next(self) -> tuple[str, object]:
        return self._changed.get(timeout=SECONDS)

    def next_refused_for_later(self, token: int) -> str:
        """The reason of the next call, which must refuse the message for later."""
        call, arguments = self.next()
        assert isinstance(arguments, tuple)
        assert (call, arguments[0], self.refusals[-1]) == ("refused", token, Refusal.LATER)
        return str(arguments[1])

    def nothing_more(self) -> bool:
        return self._changed.empty()


@pytest.fixture
def core() -> Iterator[Core]:
    """A core on which this process is a function."""
    with greengrass_core.running() as running, greengrass_core.function_on(running.port):
        yield running


@pytest.fixture
def recorded() -> RecordedCallbacks:
    return RecordedCallbacks()


@pytest.fixture
def transport(core: Core, recorded: RecordedCallbacks) -> Iterator[GreengrassV1Transport]:
    """An open transport through the core."""
    transport = GreengrassV1Transport(timeout_s=SECONDS)
    transport.open(recorded)
    yield transport
    transport.close()


def test_messages_come_to_the_core_and_are_accepted(
    core: Core, transport: GreengrassV1Transport, recorded: RecordedCallbacks
) -> None:
    """They come from the right function, byte for byte, or raise where the queue is full."""
    for token, payload in enumerate((b'{"a": 1}', b"", b"\x00\xff", b"x" * 100_000)):
        transport.send(token, f"device/{token}", payload)
        assert recorded.next() == ("accepted", token)
        assert core.messages[-1] == Message(f"device/{token}", payload, FUNCTION, "AllOrError")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_full_queue_is_for_later_and_never_a_delivery(
    core: Core, transport: GreengrassV1Transport, recorded: RecordedCallbacks, status: int
) -> None:
    core.status = status
    transport.send(1, "device", b"x")
    assert "its queue may be full" in recorded.next_refused_for_later(1)
    assert core.messages == []
    core.status = 200
    transport.send(2, "device", b"x")
    assert recorded.next() == ("accepted", 2)


def test_a_message_that_the_core_never_takes_is_refused(
    core: Core, transport: GreengrassV1Transport, recorded: RecordedCallbacks
) -> None:
    """And the next message is sent."""
    core.status = 413
    transport.send(7, "device", b"x")
    news, told = recorded.next()
    assert isinstance(told, tuple)
    assert (news, told[0]) == ("refused", 7)
    assert "413" in told[1]
    core.status = 200
    transport.send(8, "device", b"x")
    assert recorded.next() == ("accepted", 8)


def test_a_function_that_the_core_does_not_know_is_named_in_the_error(
    core: Core, transport: GreengrassV1Transport, recorded: RecordedCallbacks
) -> None:
    core.status = 403
    transport.send(1, "device", b"x")
    recorded.next_refused_for_later(1)
    news, reason = recorded.next()
    assert news == "lost"
    assert "does not know this function" in str(reason)


def test_an_absent_core_is_named_in_the_error(recorded: RecordedCallbacks) -> None:
    with greengrass_core.running() as core:
        port = core.port
    with greengrass_core.function_on(port):
        transport = GreengrassV1Transport(SECONDS)
        transport.open(recorded)
        transport.send(1, "device", b"x")
        recorded.next_refused_for_later(1)
        news, reason = recorded.next()
    assert news == "lost"
    assert "is greengrassd running?" in str(reason)


def test_a_hanging_core_is_abandoned_with_a_bounded_number_of_threads(
    core: Core, recorded: RecordedCallbacks
) -> None:
    """Its late answers are ignored; when it answers again, a new transport works."""
    core.freed.clear()
    for token in range(MAX_HANGING):
        transport = GreengrassV1Transport(timeout_s=0.05)
        transport.open(recorded)
        transport.send(token, "device", b"x")
        news, reason = recorded.next()
        assert news == "lost"
        assert "did not answer within 0.05 s" in str(reason)
    with pytest.raises(TransportError, match=f"{MAX_HANGING} messages hang"):
        GreengrassV1Transport().open(recorded)
    core.freed.set()
    for thread in greengrass_v1._hanging:
        thread.join(SECONDS)
    assert recorded.nothing_more()
    transport = GreengrassV1Transport(SECONDS)
    transport.open(recorded)
    transport.send(99, "device", b"x")
    assert recorded.next() == ("accepted", 99)


def test_a_timeout_that_ends_before_the_call_has_begun_is_told(
    core: Core, recorded: RecordedCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ExpiredTimer(threading.Timer):
        def start(self) -> None:
            self.function(*self.args, **self.kwargs)

    transport = GreengrassV1Transport(timeout_s=0.05)
    transport.open(recorded)
    monkeypatch.setattr(threading, "Timer", ExpiredTimer)
    transport.send(1, "device", b"x")
    assert recorded.next()[0] == "lost"


def test_nothing_is_called_after_closing(
    core: Core, transport: GreengrassV1Transport, recorded: RecordedCallbacks
) -> None:
    core.freed.clear()
    transport.send(1, "device", b"x")
    transport.close()
    core.freed.set()
    core.wait_for(1)
    for thread in threading.enumerate():
        if thread.name == "greengrass":
            thread.join(SECONDS)
    assert recorded.nothing_more()


@pytest.mark.parametrize("variable", ["MY_FUNCTION_ARN", "ROUTER_FUNCTION_ARN"])
def test_the_mocking_sdk_is_refused(recorded: RecordedCallbacks, variable: str) -> None:
    """Outside a core the SDK sends nothing and raises nothing; that is no delivery."""
    with (
        greengrass_core.running() as core,
        greengrass_core.function_on(core.port, **{variable: ""}),
        pytest.raises(TransportError, match=f"{variable} is not set.*deploy it as a Lambda"),
    ):
        GreengrassV1Transport().open(recorded)
    assert core.messages == []


def test_an_sdk_that_begins_to_mock_is_noticed(
    transport: GreengrassV1Transport, monkeypatch: pytest.MonkeyPatch, recorded: RecordedCallbacks
) -> None:
    monkeypatch.setattr("greengrasssdk.utils.testing.MY_FUNCTION_ARN", None)
    with pytest.raises(TransportError, match="would send nothing"):
        transport.send(1, "device", b"x")
    assert recorded.nothing_more()


def test_outside_of_a_core_the_error_says_so(recorded: RecordedCallbacks) -> None:
    greengrass_core.forget()
    with pytest.raises(TransportError, match="no Lambda function on a Greengrass V1 core"):
        GreengrassV1Transport().open(recorded)
    greengrass_core.forget()


def test_without_the_sdk_the_extra_is_named(
    recorded: RecordedCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    greengrass_core.forget()
    monkeypatch.setitem(sys.modules, "greengrasssdk", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[greengrass\]'"):
        GreengrassV1Transport().open(recorded)
