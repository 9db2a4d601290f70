"""One client cannot use up the device: real sockets that trickle, idle, or take nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edge.web import api, connections, searches
from edge.web.connections import MOST_OF_CLIENT
from edge.web.places import Places
from edge.web.streams import MOST_OF_CLIENT as MOST_STREAMS
from tests.support.served_page import WAIT, Web, eventually, serving
from tests.support.web_stand_in import CUP, StandInDevice, draw_look

pytestmark = pytest.mark.slow  # clients that wait until they are closed

VISITOR = "127.0.0.2"  # another client than 127.0.0.1
EVENTS = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(StandInDevice()) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def connect(web: Web, client: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(
        ("127.0.0.1", web.server.port), WAIT, source_address=(client, 0)
    )


def first_line(connection: socket.socket) -> bytes:
    """The first line of an answer; empty where the connection was closed instead."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n" not in received and (part := connection.recv(4096)):
            received += part
    return received.partition(b"\r\n")[0]


def trickles(connection: socket.socket, drop: bytes) -> bool:
    """Send a little more; whether the connection is still open."""
    try:
        connection.sendall(drop)
        connection.settimeout(0)
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_trickling_connections_leave_room_for_others(
    web: Web, opened: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 505, as many stay as a client may have; those are closed though drops keep coming."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", WAIT)
    tricklers = [opened.enter_context(connect(web)) for _ in range(505)]
    with connect(web, VISITOR) as visitor:
        visitor.sendall(b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first_line(visitor) == b"HTTP/1.1 200 OK"
    left = [each for each in tricklers if trickles(each, b"GET / HTTP/1.1\r\nHost: loc")]
    eventually(lambda: len(web.server._waitress.active_channels) <= MOST_OF_CLIENT)
    left = [each for each in left if trickles(each, b"a")]
    assert len(left) == MOST_OF_CLIENT
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    eventually(lambda: sum(trickles(each, b"a") for each in left) == 0)
    assert not web.server._waitress.active_channels


@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["silent", "empty lines"])
def test_idle_connection_is_closed(web: Web, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """One that asked before is, too; empty lines are no request."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with connect(web) as idle, connect(web) as asked:
        asked.sendall(b"HEAD /api/latest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first_line(asked) == b"HTTP/1.1 200 OK"
        eventually(lambda: not trickles(idle, sent) and not trickles(asked, sent))


def test_late_clients_are_closed_after_the_clock_was_set_back(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look for them was due at a time that has become an hour away."""
    with connect(web) as idle:
        web.server._waitress.next_channel_cleanup = time.time() + 3600
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
        eventually(lambda: not trickles(idle, b""))


def test_body_must_come(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo that comes steadily has more time the more of it is there; drops have not."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.2)
    head = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n"
    with connect(web) as slow, connect(web) as steady:
        slow.sendall(head)
        steady.sendall(head + bytes(400_000))
        eventually(lambda: not trickles(slow, b"a"))
        assert trickles(steady, b"a")


def test_a_body_that_stops_is_ended(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it has come: else it would lie on the device for hours."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    head = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n"
    with connect(web) as stalled:
        stalled.sendall(head + bytes(400_000))
        eventually(lambda: not trickles(stalled, b""))


def test_bodies_that_come_in_leave_room(
    web: Web, opened: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's share is bounded, and what all have together; what was refused is kept no more."""
    monkeypatch.setattr(connections, "MOST_BYTES_OF_CLIENT", 300_000)
    monkeypatch.setattr(connections, "MOST_BYTES", 500_000)
    head = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n"

    def sends(client: str, count: int) -> socket.socket:
        connection = opened.enter_context(connect(web, client))
        connection.sendall(head + bytes(count))
        return connection

    def kept() -> int:
        return sum(
            each.body_bytes() for each in list(web.server._waitress.active_channels.values())
        )

    sends("127.0.0.1", 250_000)
    eventually(lambda: kept() == 250_000)
    assert b" 503 " in first_line(sends("127.0.0.1", 60_000))
    eventually(lambda: kept() == 250_000)
    sends(VISITOR, 200_000)
    eventually(lambda: kept() == 450_000)
    assert b" 503 " in first_line(sends("127.0.0.3", 60_000))
    eventually(lambda: kept() == 450_000)


def test_client_that_takes_nothing_is_closed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """It acknowledges no picture of a stream that it asked for, and gives its place back."""
    monkeypatch.setattr(web.device.picture, "jpeg", lambda *given: (given[0] + 1, bytes(900_000)))
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        stuck.connect(("127.0.0.1", web.server.port))
        stuck.sendall(b"GET /camera.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 1)
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.3)
        eventually(lambda: web.get("/api/status").json()["streams"]["open"] == 0)


def test_quiet_stream_stays(web: Web) -> None:
    """A request that is being answered is never late."""
    with connect(web) as stream:
        stream.sendall(EVENTS)
        assert first_line(stream) == b"HTTP/1.1 200 OK"
        channel = next(iter(web.server._waitress.active_channels.values()))
        eventually(lambda: not channel.total_outbufs_len)
        assert not channel.is_late(time.monotonic() + 3600)


def test_streams_of_one_client_leave_room(web: Web, opened: contextlib.ExitStack) -> None:
    """Of 48 idle event streams those beyond its share are refused, and others have theirs."""
    answers = []
    for _ in range(48):
        stream = opened.enter_context(connect(web))
        stream.sendall(EVENTS)
        answers.append(first_line(stream))
    assert answers.count(b"HTTP/1.1 200 OK") == MOST_STREAMS
    assert answers.count(b"HTTP/1.1 503 SERVICE UNAVAILABLE") == 48 - MOST_STREAMS
    with connect(web, VISITOR) as other:
        other.sendall(EVENTS)
        assert first_line(other) == b"HTTP/1.1 200 OK"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released whenever a client takes a place."""
    released, take = threading.Semaphore(0), Places.take

    def noted(places: Places, client: str) -> bool:
        is_taken = take(places, client)
        if is_taken:
            released.release()
        return is_taken

    monkeypatch.setattr(Places, "take", noted)
    return released


def test_searches_of_one_client_leave_room(
    web: Web, taken: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beyond its share are refused at once, and another's waits its turn and is made."""
    leave = threading.Event()
    calm_search = web.device.search

    def slow_search(*photo: Any) -> Any:
        assert leave.wait(WAIT)
        return calm_search(*photo)

    monkeypatch.setattr(web.device, "search", slow_search)
    photo = draw_look(CUP)
    asking = b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    asking += b"Content-Length: %d\r\n\r\n" % len(photo) + photo
    ask_and_be_refused(web, asking, searches.MOST_OF_CLIENT, taken, leave)


def test_texts_of_one_client_leave_room(
    web: Web, taken: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for odd words costs much: few are looked for at once, and another's turn comes."""
    running, leave = threading.Semaphore(api.FINDING_AT_ONCE), threading.Event()
    calm_find = web.device.catalogue.find

    def slow_find(text: str, limit: int) -> Any:
        assert running.acquire(blocking=False), "too many at once"
        assert leave.wait(WAIT)
        running.release()
        return calm_find(text, limit)

    monkeypatch.setattr(web.device.catalogue, "find", slow_find)
    asking = b"GET /api/items?q=cup HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ask_and_be_refused(web, asking, api.MOST_FINDING_OF_CLIENT, taken, leave)


def ask_and_be_refused(
    web: Web, asking: bytes, share: int, taken: threading.Semaphore, leave: threading.Event
) -> None:
    """Ask more than a client's share, and once as another; work goes on after `leave` is set."""
    with contextlib.ExitStack() as opened:
        waiting = [opened.enter_context(connect(web)) for _ in range(share)]
        for connection in waiting:
            connection.sendall(asking)
        for _ in waiting:
            assert taken.acquire(timeout=WAIT)
        refused = opened.enter_context(connect(web))
        refused.sendall(asking)
        assert first_line(refused) == b"HTTP/1.1 503 SERVICE UNAVAILABLE"
        other = opened.enter_context(connect(web, VISITOR))
        other.sendall(asking)
        assert taken.acquire(timeout=WAIT)
        leave.set()
        assert first_line(other) == b"HTTP/1.1 200 OK"
        assert {first_line(connection) for connection in waiting} == {b"HTTP/1.1 200 OK"}
