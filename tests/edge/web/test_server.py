"""The server: its port, its addresses, and its end."""

from __future__ import annotations

import ipaddress
import socket
import threading

import pytest

from edge.errors import PortError
from edge.web.addresses import is_own_address, lan_addresses
from edge.web.app import create_app
from edge.web.server import Server
from tests.support.ports import free_port
from tests.support.served_page import (
    WAIT,
    Web,
    serving,
)
from tests.support.web_stand_in import (
    StandInDevice,
)


def test_port_in_use_names_the_way_out(web: Web) -> None:
    """The message names the option of the command and of make."""
    port = web.server.port
    with pytest.raises(PortError) as caught:
        Server(create_app(web.device), "127.0.0.1", port, threading.Event())
    assert str(caught.value) == (
        f"port {port} is in use; choose another with --port {port + 1} (make demo PORT={port + 1})"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_other_machines_addresses_cannot_be_listened_on(host: str) -> None:
    """The message names the host."""
    with pytest.raises(PortError, match=host):
        Server(create_app(StandInDevice()), host, 0, threading.Event())


def test_same_port_again_at_once() -> None:
    """An appliance that is started again finds its port free."""
    port = free_port()
    with serving(StandInDevice(), port) as web:
        assert web.get("/api/latest").status_code == 200
    with serving(StandInDevice(), port) as web:
        assert web.get("/api/latest").status_code == 200


def test_close_before_serving_frees_the_port() -> None:
    """Closing twice does no harm."""
    server = Server(create_app(StandInDevice()), "127.0.0.1", free_port(), threading.Event())
    server.close()
    server.close()
    again = Server(create_app(StandInDevice()), "127.0.0.1", server.port, threading.Event())
    assert again.port == server.port != 0
    again.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), WAIT)


def test_addresses_can_be_opened() -> None:
    """They are printed at the start; with `lan`, a phone can open one of them."""
    server = Server(create_app(StandInDevice()), "0.0.0.0", 0, threading.Event())
    try:
        assert server.addresses(lan=False) == [f"http://localhost:{server.port}/"]
        lan = [f"http://{address}:{server.port}/" for address in lan_addresses()]
        assert server.addresses(lan=True) == [f"http://localhost:{server.port}/", *lan]
    finally:
        server.close()


def test_own_addresses_are_own() -> None:
    """Addresses of the interfaces can be bound; another machine's cannot."""
    for address in lan_addresses():
        assert is_own_address(ipaddress.ip_address(address))
    assert not is_own_address(ipaddress.ip_address("192.0.2.1"))
    assert not is_own_address(ipaddress.ip_address("2001:db8::1"))
    assert not is_own_address(ipaddress.ip_address("224.0.0.1"))


def test_page_digest_is_in_page_and_state(web: Web) -> None:
    """An open page notices by the digest that the device was updated."""
    page = web.get("/api/latest").json()["page"]
    assert f'data-page="{page}"' in web.get("/").text
