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

SECONDS = 20.0  # until an awaited thing counts as missing


class Heard:
    """Keeps what a listener is told."""

    def __init__(self) -> None:
        self._news: queue.Queue[tuple[str, object]] = queue.Queue()
        self.refusals: list[object] = []

    def accepted(self, token: int) -> None:
        self._news.put(("accepted", token))

    def refused(self, token: int, reason: str, refusal: object = None) -> None:
        self.refusals.append(refusal)
        self._news.put(("refused", (token, reason)))

    def lost(self, reason: str) -> None:
        self._news.put(("lost", reason))

    def command(self, topic: str, payload: bytes) -> None:
        self._news.put(("command", topic))

    def next(self) -> tuple[str, object]:
        return self._news.get(timeout=SECONDS)

    def told_later(self, token: int) -> str:
        """The next is a refusal that is not the message's fault; its reason."""
        news, told = self.next()
        assert isinstance(told, tuple)
        assert (news, told[0], self.refusals[-1]) == ("refused", token, Refusal.LATER)
        return str(told[1])

    def nothing_more(self) -> bool:
        return self._news.empty()


@pytest.fixture
def core() -> Iterator[Core]:
    """This process is a function on it."""
    with greengrass_core.running() as running, greengrass_core.function_on(running.port):
        yield running


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def way(core: Core, heard: Heard) -> Iterator[GreengrassV1Transport]:
    """An open way through the core."""
    transport = GreengrassV1Transport(timeout_s=SECONDS)
    transport.open(heard)
    yield transport
    transport.close()


def test_messages_come_to_the_core_and_are_accepted(
    core: Core, way: GreengrassV1Transport, heard: Heard
) -> None:
    """As the function that it is, for the whole queue or not at all, byte for byte."""
    for token, payload in enumerate((b'{"a": 1}', b"", b"\x00\xff", b"x" * 100_000)):
        way.send(token, f"device/{token}", payload)
        assert heard.next() == ("accepted", token)
        assert core.messages[-1] == Message(f"device/{token}", payload, FUNCTION, "AllOrError")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_full_queue_is_for_later_and_never_a_delivery(
    core: Core, way: GreengrassV1Transport, heard: Heard, status: int
) -> None:
    core.status = status
    way.send(1, "device", b"x")
    assert "its queue may be full" in heard.told_later(1)
    assert core.messages == []
    core.status = 200
    way.send(2, "device", b"x")
    assert heard.next() == ("accepted", 2)


def test_a_message_that_the_core_never_takes_is_refused(
    core: Core, way: GreengrassV1Transport, heard: Heard
) -> None:
    """And the next one goes."""
    core.status = 413
    way.send(7, "device", b"x")
    news, told = heard.next()
    assert isinstance(told, tuple)
    assert (news, told[0]) == ("refused", 7)
    assert "413" in told[1]
    core.status = 200
    way.send(8, "device", b"x")
    assert heard.next() == ("accepted", 8)


def test_a_function_that_the_core_does_not_know_is_told_so(
    core: Core, way: GreengrassV1Transport, heard: Heard
) -> None:
    core.status = 403
    way.send(1, "device", b"x")
    heard.told_later(1)
    news, reason = heard.next()
    assert news == "lost"
    assert "does not know this function" in str(reason)


def test_a_core_that_is_away_is_told(heard: Heard) -> None:
    with greengrass_core.running() as core:
        port = core.port
    with greengrass_core.function_on(port):
        way = GreengrassV1Transport(SECONDS)
        way.open(heard)
        way.send(1, "device", b"x")
        heard.told_later(1)
        news, reason = heard.next()
    assert news == "lost"
    assert "is greengrassd running?" in str(reason)


def test_a_hanging_core_is_given_up_and_hears_no_thread_too_many(core: Core, heard: Heard) -> None:
    """What it answers after that is not heard; when it lives again, so does the way."""
    core.freed.clear()
    for token in range(MAX_HANGING):
        way = GreengrassV1Transport(timeout_s=0.05)
        way.open(heard)
        way.send(token, "device", b"x")
        news, reason = heard.next()
        assert news == "lost"
        assert "did not answer within 0.05 s" in str(reason)
    with pytest.raises(TransportError, match=f"{MAX_HANGING} messages hang"):
        GreengrassV1Transport().open(heard)
    core.freed.set()
    for thread in greengrass_v1._hanging:
        thread.join(SECONDS)
    assert heard.nothing_more()
    way = GreengrassV1Transport(SECONDS)
    way.open(heard)
    way.send(99, "device", b"x")
    assert heard.next() == ("accepted", 99)


def test_nothing_is_heard_after_closing(
    core: Core, way: GreengrassV1Transport, heard: Heard
) -> None:
    core.freed.clear()
    way.send(1, "device", b"x")
    way.close()
    core.freed.set()
    core.wait_for(1)
    for thread in threading.enumerate():
        if thread.name == "greengrass":
            thread.join(SECONDS)
    assert heard.nothing_more()


@pytest.mark.parametrize("variable", ["MY_FUNCTION_ARN", "ROUTER_FUNCTION_ARN"])
def test_the_sdk_that_only_pretends_is_refused(heard: Heard, variable: str) -> None:
    """Outside a core it publishes nothing and says nothing; that counts as no delivery."""
    with (
        greengrass_core.running() as core,
        greengrass_core.function_on(core.port, **{variable: ""}),
        pytest.raises(TransportError, match=f"{variable} is not set.*deploy it as a Lambda"),
    ):
        GreengrassV1Transport().open(heard)
    assert core.messages == []


def test_the_sdk_that_begins_to_pretend_is_noticed(
    way: GreengrassV1Transport, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    monkeypatch.setattr("greengrasssdk.utils.testing.MY_FUNCTION_ARN", None)
    with pytest.raises(TransportError, match="would send nothing"):
        way.send(1, "device", b"x")
    assert heard.nothing_more()


def test_elsewhere_than_on_a_core_it_says_so(heard: Heard) -> None:
    greengrass_core.forget()
    with pytest.raises(TransportError, match="no Lambda function on a Greengrass V1 core"):
        GreengrassV1Transport().open(heard)
    greengrass_core.forget()


def test_without_the_sdk_the_extra_is_named(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    greengrass_core.forget()
    monkeypatch.setitem(sys.modules, "greengrasssdk", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'visual-search\[greengrass\]'"):
        GreengrassV1Transport().open(heard)
