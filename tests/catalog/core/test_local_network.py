"""Which hosts are in the local network, and which proxy serves the others."""

from __future__ import annotations

import socket

import pytest

from catalog.core.local_network import is_local, is_surely_local, proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("192.168.1.20", True),
        ("10.0.0.5", True),
        ("100.64.0.1", True),
        ("169.254.1.1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("localhost", True),
        ("camera", True),
        ("Camera.local", True),
        ("kiosk.fritz.box.", True),
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("nobody.invalid", False),
    ],
)
def test_addresses_and_names_are_told_apart(host: str, local: bool) -> None:
    assert is_local(host) is local


@pytest.mark.parametrize(
    ("addresses", "local"),
    [
        (["192.168.1.20"], True),
        (["fd00::1", "10.0.0.1"], True),
        (["10.0.0.1", "8.8.8.8"], False),
        ([], False),
    ],
)
def test_a_name_is_as_local_as_its_addresses(
    addresses: list[str], local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert is_local("camera.shop.example") is local
    assert not is_surely_local("camera.shop.example")  # another answer may come next time


@pytest.fixture
def _proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("no_proxy", "example.com")


@pytest.mark.usefixtures("_proxies")
def test_only_the_internet_goes_through_the_proxy() -> None:
    assert proxy_for("http", "8.8.8.8") == PROXY
    assert proxy_for("https", "8.8.8.8") == PROXY
    for host in ("192.168.1.20", "camera.local", "example.com"):
        assert proxy_for("http", host) is None


def test_without_a_proxy_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert proxy_for("http", "camera.shop.example") is None
