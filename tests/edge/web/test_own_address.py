"""Where other devices can open the page: told by the API, as a QR code, and in the terminal."""

from __future__ import annotations

import asyncio
import errno
import io
import ipaddress
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from click import unstyle
from pydantic import ValidationError
from zeroconf import ServiceInfo

import edge.web.announcement
from catalog.core.terminal import code_for_terminal
from edge.cli.cli import print_announced
from edge.settings import EdgeSettings
from edge.web import addresses
from edge.web.addresses import Address, address_for_phones, in_url
from edge.web.announcement import Announcement
from edge.web.app import create_app
from edge.web.branding import Appearance
from edge.web.own_address import code_picture
from edge.web.security import CONTENT_SECURITY_POLICY
from tests.edge.web.test_openapi import check
from tests.support.web_stand_in import StandInAnnouncement, StandInDevice

ADDRESSES = ["http://shop.local:8080/", "http://10.9.0.2:8080/"]


def test_nothing_is_told_without_lan() -> None:
    """Then no other device can open the page."""
    client = create_app(StandInDevice()).test_client()
    answer = client.get("/api/address")
    assert answer.get_json() == {"addresses": [], "show": False}
    check(answer.get_json(), "/api/address")
    assert client.get("/address.svg").status_code == 404


@pytest.mark.parametrize("show", [True, False])
def test_addresses_are_told_with_lan(show: bool) -> None:
    """The setting decides whether the device's own screen shows them."""
    app = create_app(
        StandInDevice(lan=True),
        announcement=StandInAnnouncement(ADDRESSES),
        appearance=Appearance(show_address=show),
    )
    answer = app.test_client().get("/api/address")
    assert answer.get_json() == {"addresses": ADDRESSES, "show": show}
    check(answer.get_json(), "/api/address")


def test_qr_code_is_a_picture_under_the_policy() -> None:
    """It holds the numeric address, and has neither style nor script."""
    app = create_app(StandInDevice(lan=True), announcement=StandInAnnouncement(ADDRESSES))
    answer = app.test_client().get("/address.svg")
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.data == code_picture(ADDRESSES[1])
    assert code_picture(ADDRESSES[1]) is code_picture(ADDRESSES[1])  # drawn once
    assert b"style" not in answer.data
    assert b"script" not in answer.data


def test_announced_name_is_an_own_host() -> None:
    """Only the name that was taken is: another one in .local may be DNS rebinding."""
    announcement = StandInAnnouncement(ADDRESSES, "shop-2.local")
    client = create_app(StandInDevice(lan=True), announcement=announcement).test_client()
    asked = {
        host: client.get("/api/latest", headers={"Host": host}).status_code
        for host in ("shop-2.local:8080", "Shop-2.local", "shop.local:8080", "local", ".local")
    }
    assert list(asked.values()) == [200, 200, 400, 400, 400], asked
    announcement.host = ""
    assert client.get("/api/latest", headers={"Host": "shop-2.local"}).status_code == 400


def test_phones_get_a_number_where_there_is_one() -> None:
    """Old phones find no name that ends in .local."""
    assert address_for_phones(ADDRESSES) == ADDRESSES[1]
    assert address_for_phones(ADDRESSES[:1]) == ADDRESSES[0]
    assert address_for_phones(["http://[fd00::2]:8080/"]) == "http://[fd00::2]:8080/"
    assert address_for_phones([]) == ""
    assert [in_url(host) for host in ("fd00::2", "10.9.0.2")] == ["[fd00::2]", "10.9.0.2"]


def test_terminal_code_can_be_read() -> None:
    """The half blocks, drawn as pixels, are a QR code of the address."""
    halves = {" ": (0, 0), "\u2580": (255, 0), "\u2584": (0, 255), "\u2588": (255, 255)}
    rows: list[list[int]] = []
    for line in unstyle(code_for_terminal(ADDRESSES[1])).splitlines():
        rows += [[halves[sign][half] for sign in line] for half in (0, 1)]
    picture = cv2.resize(
        np.array(rows, np.uint8), None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST
    )
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == ADDRESSES[1]


def test_an_announcement_that_never_started_stops() -> None:
    """As where the appliance fails before its page is served."""
    announcement = Announcement("shop")
    announcement.stop()
    announcement.join(1.0)
    assert announcement.addresses() == []


def test_a_page_for_this_machine_alone_is_not_announced() -> None:
    """As with `lan` and the host localhost; nothing is looked for."""
    announcement = Announcement("shop")
    announcement.start("127.0.0.1", 8080)
    assert not announcement._thread.is_alive()
    assert announcement.addresses() == []


def test_link_local_ipv6_address_is_not_shown() -> None:
    """Browsers do not open it; the name, which other programs can use, is shown."""
    announcement = Announcement("shop")
    announcement.host = "shop.local"
    announcement._listening, announcement._port = ipaddress.ip_address("fe80::1"), 8080
    assert announcement.addresses() == ["http://shop.local:8080/"]


def test_the_announced_kind_of_page_is_its_scheme() -> None:
    """Browsers of services list pages by TLS apart."""
    for scheme, service in (("http", "_http._tcp.local."), ("https", "_https._tcp.local.")):
        announced: list[ServiceInfo] = []

        class Announcer:
            zeroconf = None
            heard = announced

            async def async_register_service(self, page: ServiceInfo, **given: object) -> None:
                self.heard.append(page)

        async def nobody_answers(*given: object) -> frozenset[Address]:
            return frozenset()

        announcement = Announcement("shop", scheme=scheme)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(edge.web.announcement, "_answers", nobody_answers)
            own = frozenset([ipaddress.ip_address("10.9.0.2")])
            assert asyncio.run(announcement._take_name(cast(Any, Announcer()), own))
        assert [page.type for page in announced] == [service]
        assert [page.name for page in announced] == [f"shop.{service}"]


def test_a_closed_output_does_not_end_announcing() -> None:
    """Python raises ValueError then, not OSError."""
    output = io.StringIO()
    output.close()
    announcement = Announcement("shop", lambda addresses: print(addresses, file=output))
    announcement.host = "shop.local"
    announcement._tell_change()
    assert announcement._shown == ["http://shop.local:0/"]


def test_without_an_output_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none where the standard output was closed before it started."""
    monkeypatch.setattr(sys, "stdout", None)
    print_announced(ADDRESSES)


@pytest.mark.parametrize("name", ["shop_1", "-shop", "shop-", "shop.local", "söp", "s" * 61])
def test_names_that_no_host_can_have_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="not a name for the network"):
        EdgeSettings.model_validate({"name": name})


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("Counter3.shop.example", "counter3"),
        ("localhost", "visual-search"),
        ("a_b", "visual-search"),
    ],
)
def test_default_name_is_the_machines(
    machine: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: machine)
    assert EdgeSettings.model_validate({}).network_name == name
    assert EdgeSettings.model_validate({"name": "Till-4"}).network_name == "till-4"


def test_bridge_over_hardware_is_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge of containers and a tunnel are not: visitors cannot reach their addresses."""
    monkeypatch.setattr(addresses, "INTERFACES", tmp_path)
    for link in ("eth0/device", "br0/lower_eth0", "docker0/lower_veth1", "veth1", "tun0"):
        (tmp_path / link).mkdir(parents=True)
    found = {folder.name: addresses._is_hardware(folder.name) for folder in tmp_path.iterdir()}
    assert {name for name, is_hardware in found.items() if is_hardware} == {"eth0", "br0"}


def test_interface_without_a_link_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the page is announced when the cable comes, though the address was there before."""
    monkeypatch.setattr(addresses, "INTERFACES", tmp_path)
    for name, carrier in (("eth0", "1\n"), ("eth1", "0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "carrier").write_text(carrier)
    names = ("eth0", "eth1", "eth2")
    assert [addresses._has_link(name) for name in names] == [True, False, True]


@pytest.mark.parametrize(
    ("number", "has_link"), [(errno.EINVAL, False), (errno.EACCES, True), (errno.ENOENT, True)]
)
def test_interface_that_is_turned_off_has_no_link(
    number: int, has_link: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells that by the error EINVAL; where it may not tell, there may be a link."""

    def refuse(file: Path) -> None:
        raise OSError(number, os.strerror(number), str(file))

    monkeypatch.setattr(Path, "read_text", refuse)
    assert addresses._has_link("eth0") == has_link


def test_addresses_of_tunnels_and_containers_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that of the default route; a container, which has no hardware, shows its own."""
    wire, tunnel, bridge = (
        addresses.Interface(number, (ipaddress.ip_address(address),), is_hardware)
        for number, address, is_hardware in (
            (2, "192.168.1.5", True),
            (3, "10.8.0.2", False),
            (4, "172.17.0.1", False),
        )
    )
    monkeypatch.setattr(addresses, "_routed_address", lambda: "10.8.0.2")
    monkeypatch.setattr(addresses, "interfaces", lambda: (bridge, wire, tunnel))
    assert addresses.lan_addresses() == ["192.168.1.5"]
    monkeypatch.setattr(addresses, "interfaces", lambda: (bridge, tunnel))
    assert addresses.lan_addresses() == ["10.8.0.2", "172.17.0.1"]


def test_sandbox_without_interfaces_has_the_routed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without netlink sockets cannot list its interfaces."""

    def refuse() -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr("ifaddr.get_adapters", refuse)
    monkeypatch.setattr("socket.if_nameindex", refuse)
    monkeypatch.setattr(addresses, "_routed_address", lambda: "10.9.0.2")
    assert addresses.lan_addresses() == ["10.9.0.2"]
    monkeypatch.setattr(addresses, "_routed_address", lambda: None)
    assert addresses.lan_addresses() == []
    assert not addresses.is_own_address(ipaddress.ip_address("fe80::1"))


def test_nothing_of_it_is_imported_before_it_is_needed() -> None:
    """Without --lan the device neither announces itself nor pays for what could."""
    code = (
        "import sys, edge.cli.cli, edge.appliance.run, edge.appliance.controls; "
        "spared = {'PIL.TiffImagePlugin', 'asyncio', 'httpx', 'prometheus_client', 'rich', 'tuf'}; "
        "print(sorted(spared & set(sys.modules))); "
        "import edge.cli.demo; "
        "print(sorted({'ifaddr', 'segno', 'zeroconf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
