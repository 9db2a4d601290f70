"""Addresses of network cameras: users and passwords raw and encoded, hosts and ports."""

from __future__ import annotations

import pytest

from edge.cameras.address import parse_address
from edge.errors import CameraError


@pytest.mark.parametrize(
    ("source", "user", "password", "url"),
    [
        ("rtsp://host/x", "", "", "rtsp://host/x"),
        ("rtsp://user:pw@host/x", "user", "pw", "rtsp://host/x"),
        ("rtsp://user@host/x", "user", "", "rtsp://host/x"),
        ("http://user:p@ss/w#rd@host/x?a=b", "user", "p@ss/w#rd", "http://host/x?a=b"),
        ("http://user:p%40ss%2Fw%23rd@host/x", "user", "p@ss/w#rd", "http://host/x"),
        ("http://user:100%@host:81", "user", "100%", "http://host:81"),
        ("http://user:a%20b@host", "user", "a b", "http://host"),
        ("http://user:a@b%20c@host", "user", "a@b%20c", "http://host"),
        ("http://user:a:b@host", "user", "a:b", "http://host"),
        ("http://me@shop.com:p%40ss@host", "me@shop.com", "p@ss", "http://host"),
        ("http://user:@host", "user", "", "http://host"),
        ("http://user:grün?@10.0.0.5/x", "user", "grün?", "http://10.0.0.5/x"),
        ("http://host/x?mail=a@b", "", "", "http://host/x?mail=a@b"),
        ("http://host:81/x?mail=a@b", "", "", "http://host:81/x?mail=a@b"),
        ("http://user:pw@host/x?mail=a@b", "user", "pw", "http://host/x?mail=a@b"),
        ("rtsp://10.0.0.5/user=a_password=b@c_channel=1", "", "",
         "rtsp://10.0.0.5/user=a_password=b@c_channel=1"),
        ("HTTP://user:pw@[fe80::1]:8080/x", "user", "pw", "http://[fe80::1]:8080/x"),
    ],
)  # fmt: skip
def test_user_password_and_the_rest_are_told_apart(
    source: str, user: str, password: str, url: str
) -> None:
    address = parse_address(source)
    assert (address.user, address.password, address.url()) == (user, password, url)
    assert parse_address(address.url_with_password()) == address
    assert not password or password not in repr(address)


@pytest.mark.parametrize(
    "source", ["http://", "http:///x", "http://user:geheim@/x", "http://host:0/", "rtsp://h:99999/"]
)
def test_an_address_without_a_host_or_port_is_refused(source: str) -> None:
    with pytest.raises(CameraError, match="names no host and port") as caught:
        parse_address(source)
    assert "geheim" not in str(caught.value)
