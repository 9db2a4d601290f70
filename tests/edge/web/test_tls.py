"""The page by TLS: on the port of plain HTTP, without waiting for anybody."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import http.client
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import Browser, expect
from pydantic import ValidationError

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError
from catalog.recognition.decision import Verdict
from edge.settings import EdgeSettings
from edge.web import certificates, connections, signing, tls
from edge.web.announcement import Announcement
from edge.web.app import create_app
from edge.web.certificates import GivenCertificate, OwnCertificate, own_names
from edge.web.server import Server
from edge.web.signing import (
    FIRST_DAY,
    VALID,
    Key,
    as_pem,
    hosts_of,
    make_authority,
    make_page_certificate,
    may_sign,
)
from edge.web.tls import Tls, open_tls
from tests.support.certificates import Authority
from tests.support.served_page import WAIT, Web, eventually, read_events, read_part, serving
from tests.support.web_stand_in import BUNDLE, CUP, StandInDevice, draw_look

pytestmark = pytest.mark.slow  # certificates, and servers with TLS


LATER = datetime(2040, 5, 1, tzinfo=UTC)


@pytest.fixture
def own(tmp_path: Path) -> OwnCertificate:
    return OwnCertificate(tmp_path / "tls", lambda: ["kiosk.local", "192.168.1.20"])


@pytest.fixture
def web(own: OwnCertificate) -> Iterator[Web]:
    with serving(StandInDevice(), tls=Tls(own)) as running:
        yield running


def trusting(certificate: OwnCertificate) -> ssl.SSLContext:
    """A visitor that trusts the device's authority and nobody else."""
    return ssl.create_default_context(cadata=certificate.authority.decode())


@contextlib.contextmanager
def visiting(web: Web, own: OwnCertificate, name: str = "localhost") -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", web.server.port), WAIT) as plain,
        trusting(own).wrap_socket(plain, server_hostname=name) as encrypted,
    ):
        yield encrypted


# the server


def test_page_search_and_streams_by_tls(web: Web, own: OwnCertificate) -> None:
    """All of it; what names the page's own address names https."""
    web.device.show(Verdict.MATCH, [(CUP, 0.9)])
    threading.Thread(target=web.device.run_camera, args=(50,), daemon=True).start()
    site = f"https://localhost:{web.server.port}"
    with httpx.Client(base_url=site, verify=trusting(own), timeout=WAIT) as visitor:
        assert "data-page" in visitor.get("/").text
        headers = {"Content-Type": "image/jpeg", "Origin": site, "Sec-Fetch-Site": "same-origin"}
        assert visitor.post("/api/search", content=draw_look(CUP), headers=headers).is_success
        body = visitor.post("/matches", json={}).json()["body"]
        assert f'"url": "{site}/photos/{BUNDLE}/' in body
        connection = http.client.HTTPSConnection(
            "localhost", web.server.port, timeout=WAIT, context=trusting(own)
        )
        for path in ("/camera.mjpg", "/api/events"):
            connection.request("GET", path)
            stream = connection.getresponse()
            if path == "/api/events":
                assert next(read_events(stream))[0] == "state"
            else:
                for _ in range(3):
                    read_part(stream)
            stream.close()
            connection.close()


def test_large_bodies_both_ways_and_at_once(web: Web, own: OwnCertificate) -> None:
    """More than a record of TLS and than the buffers hold, from several clients together."""
    large = bytes(range(256)) * 20_000

    class Catalogue:
        id = BUNDLE

        def thumbnail(self, number: int) -> bytes:
            return large

    web.device.opened = Catalogue()  # type: ignore[assignment]
    site = f"https://localhost:{web.server.port}"

    def visit(_: int) -> tuple[bool, int]:
        with httpx.Client(base_url=site, verify=trusting(own), timeout=WAIT) as visitor:
            sent = visitor.post(
                "/api/search", content=large, headers={"Content-Type": "image/jpeg"}
            )
            return visitor.get(f"/photos/{BUNDLE}/0").content == large, sent.status_code

    with concurrent.futures.ThreadPoolExecutor(6) as visitors:
        answers = list(visitors.map(visit, range(12)))
    assert {whole for whole, _ in answers} == {True}
    assert {status for _, status in answers} <= {415, 503}  # no picture; others are searching


def test_what_a_slow_client_takes_counts_at_once(web: Web, own: OwnCertificate) -> None:
    """A client that takes a large answer slowly would else be closed as if it took nothing."""

    class Catalogue:
        id = BUNDLE

        def thumbnail(self, number: int) -> bytes:
            return bytes(3_000_000)

    web.device.opened = Catalogue()  # type: ignore[assignment]
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        plain.settimeout(WAIT)
        plain.connect(("127.0.0.1", web.server.port))
        visitor = trusting(own).wrap_socket(plain, server_hostname="localhost")
        visitor.sendall(f"GET /photos/{BUNDLE}/0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        (channel,) = web.server._waitress.active_channels.values()
        eventually(lambda: channel.total_outbufs_len > 1_000_000)
        before, taken = channel.total_outbufs_len, 0
        while taken < 200_000:
            taken += len(visitor.recv(16_384))
        eventually(lambda: channel.total_outbufs_len < before)
        assert channel.connected
        visitor.close()


def test_end_of_a_connection_is_said(web: Web, own: OwnCertificate) -> None:
    """A client without it could not tell whether something is missing."""
    with visiting(web, own) as visitor:
        visitor.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        visitor.sendall(b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while visitor.recv(65_536):
            pass


def test_plain_http_stays_on_the_device_itself(web: Web) -> None:
    """The own screen needs no certificate, at the same port."""
    assert web.get("/api/latest").status_code == 200


def test_visitors_are_sent_to_tls(own: OwnCertificate) -> None:
    """Not for the authority's certificate, and not through a trusted proxy, which speaks HTTP."""
    client = create_app(StandInDevice(), names=["kiosk.local"], tls=Tls(own)).test_client()
    there = {"REMOTE_ADDR": "192.168.1.7"}
    host = {"Host": "kiosk.local:8080"}
    answer = client.get("/api/items?q=blue+cup", headers=host, environ_base=there)
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://kiosk.local:8080/api/items?q=blue+cup"
    authority = client.get("/authority.crt", headers=host, environ_base=there)
    assert (authority.status_code, authority.data) == (200, own.authority)
    assert authority.mimetype == "application/x-x509-ca-cert"
    other = client.get("/", headers={"Host": "evil.example"}, environ_base=there)
    assert other.status_code == 400


def test_there_is_no_authority_without_tls() -> None:
    """The answer is a problem document."""
    assert create_app(StandInDevice()).test_client().get("/authority.crt").status_code == 404


def test_handshakes_keep_nobody_waiting(
    web: Web, own: OwnCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that begins and does not go on is closed; one that is none does no harm."""
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", web.server.port), WAIT))
            for _ in range(20)
        ]
        for connection in slow:
            connection.sendall(b"\x16\x03\x01\x02\x00")
        nonsense = stack.enter_context(
            socket.create_connection(("127.0.0.1", web.server.port), WAIT)
        )
        nonsense.sendall(b"\x16" + bytes(500))
        with visiting(web, own) as visitor:
            visitor.sendall(b"GET /api/latest HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert visitor.recv(12) == b"HTTP/1.1 200"
        with contextlib.suppress(ConnectionError):
            while nonsense.recv(4096):  # an alert
                pass
        monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
        eventually(lambda: not web.server._waitress.active_channels)


def test_stops_under_a_second_with_tls_streams(web: Web, own: OwnCertificate) -> None:
    with visiting(web, own) as visitor:
        visitor.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert visitor.recv(12) == b"HTTP/1.1 200"
        web.stop()


def test_addresses_are_https_for_others(own: OwnCertificate) -> None:
    """The device's own screen keeps http; what is announced is https."""
    device = StandInDevice()
    server = Server(create_app(device), "127.0.0.2", 0, device.stopping, tls=Tls(own))
    server.close()
    assert server.addresses(lan=True) == [
        f"http://localhost:{server.port}/", f"https://127.0.0.2:{server.port}/"
    ]  # fmt: skip
    announcement = Announcement("shop", scheme="https")
    announcement.host, announcement._port = "shop.local", 8080
    assert announcement.addresses() == ["https://shop.local:8080/"]


def test_browser_has_a_secure_page(web: Web, browser: Browser) -> None:
    """So a phone's browser allows the wake lock; it did not get that by plain HTTP."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"https://localhost:{web.server.port}/")
    web.device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    assert page.evaluate("isSecureContext && 'wakeLock' in navigator")
    context.close()


# the own certificate


def test_page_is_trusted_by_its_names_and_addresses(web: Web, own: OwnCertificate) -> None:
    """By no others."""
    for name in ("localhost", "127.0.0.1", "kiosk.local", "192.168.1.20"):
        with visiting(web, own, name) as visitor:
            assert visitor.version() in ("TLSv1.2", "TLSv1.3")
    with pytest.raises(ssl.SSLCertVerificationError), visiting(web, own, "other.local"):
        pass


def test_only_the_devices_user_can_read_the_keys(own: OwnCertificate, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["authority.pem", "page.pem"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert b"PRIVATE" not in own.authority


def test_certificate_is_kept(own: OwnCertificate, tmp_path: Path) -> None:
    """Also where an address has gone meanwhile."""
    page = (tmp_path / "tls" / "page.pem").read_bytes()
    again = OwnCertificate(tmp_path / "tls", lambda: ["kiosk.local"])
    assert again.authority == own.authority
    assert (tmp_path / "tls" / "page.pem").read_bytes() == page


def test_certificate_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    """Before it ends, and when an address comes; phones need no new trust."""
    hosts = ["192.168.1.20"]
    own = OwnCertificate(tmp_path, lambda: hosts)
    authority = own.authority
    assert own.renew(LATER)
    assert not own.renew(LATER + VALID - timedelta(days=31))
    assert own.renew(LATER + VALID - timedelta(days=29))
    hosts.append("10.0.0.9")
    assert own.renew(LATER + VALID)
    assert not own.renew(LATER + VALID)
    assert own.renew(datetime.now(UTC))  # a clock that was wrong
    assert own.authority == authority
    with serving(StandInDevice(), tls=Tls(own)) as web, visiting(web, own, "10.0.0.9"):
        pass


def test_clock_of_1970_makes_a_certificate_once(tmp_path: Path) -> None:
    """It is renewed when the clock is right, by the same authority."""
    early = datetime(1970, 1, 1, tzinfo=UTC)
    own = OwnCertificate(tmp_path, list)
    authority = own.authority
    own.renew(FIRST_DAY)
    assert not own.renew(early)
    assert own.renew(LATER)
    assert own.authority == authority


def test_stolen_authority_speaks_for_no_other_website(own: OwnCertificate, tmp_path: Path) -> None:
    """A phone that trusts it refuses what it signs for other names."""
    forged = make_page_certificate(
        *own._authority, ["bank.example", "localhost"], datetime.now(UTC)
    )
    (tmp_path / "tls" / "page.pem").write_bytes(as_pem(*forged, own._authority[1]))
    with (
        serving(StandInDevice(), tls=Tls(own)) as web,
        pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"),
        visiting(web, own, "bank.example"),
    ):
        pass


def test_host_name_without_a_dot_gives_no_power_over_websites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may sign for `shop` may sign for every website in .shop."""
    monkeypatch.setattr(socket, "gethostname", lambda: "shop")
    settings = EdgeSettings.model_validate({"names": ["kiosk", "kiosk.shop"]})
    own = OwnCertificate(tmp_path, lambda: own_names(settings))
    assert not own.renew(datetime.now(UTC))
    assert own._page is not None
    assert hosts_of(own._page) == {"localhost", "127.0.0.1", "::1", "shop.local", "kiosk.shop"}
    forged = make_page_certificate(*own._authority, ["www.bank.shop"], datetime.now(UTC))
    (tmp_path / "page.pem").write_bytes(as_pem(*forged, own._authority[1]))
    with (
        serving(StandInDevice(), tls=Tls(own)) as web,
        pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"),
        visiting(web, own, "www.bank.shop"),
    ):
        pass


def test_authority_with_too_much_power_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(signing, "is_signable", lambda host: True)
        made = make_authority("of a former version", ["shop"])
    (tmp_path / "authority.pem").write_bytes(as_pem(*made))
    own = OwnCertificate(tmp_path, lambda: ["shop.local"])
    assert "could sign for other websites; phones must trust a new one" in caplog.text
    assert not may_sign(own._authority[1], "www.bank.shop")
    assert OwnCertificate(tmp_path, lambda: ["shop.local"]).authority == own.authority


def test_name_of_the_shop_needs_an_authority_for_it(
    own: OwnCertificate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that phones must trust the new one."""
    named = OwnCertificate(tmp_path / "tls", lambda: ["shop.example"])
    assert named.authority != own.authority
    assert "a new authority signs for shop.example; phones must trust it" in caplog.text
    with serving(StandInDevice(), tls=Tls(named)) as web, visiting(web, named, "shop.example"):
        pass


def test_damaged_files(own: OwnCertificate, tmp_path: Path) -> None:
    """The page's certificate is made anew; for the authority's a person decides."""
    page, authority = tmp_path / "tls" / "page.pem", tmp_path / "tls" / "authority.pem"
    for damage in (b"", b"nothing", page.read_bytes()[:300]):
        page.write_bytes(damage)
        again = OwnCertificate(tmp_path / "tls", lambda: ["kiosk.local"])
        assert again.authority == own.authority
        assert b"CERTIFICATE" in page.read_bytes()
    page.write_bytes(as_pem(*bare_certificate(own._authority[0])))
    assert OwnCertificate(tmp_path / "tls", list).authority == own.authority
    for damage in (b"nothing", page.read_bytes()[:-300], as_pem(*bare_certificate())):
        authority.write_bytes(damage)
        with pytest.raises(ShelfError, match="remove the file, and let the phones trust the new"):
            OwnCertificate(tmp_path / "tls", list)


def bare_certificate(issuer: Key | None = None) -> tuple[Key, x509.Certificate]:
    """A certificate without names and limits, signed by `issuer` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, FIRST_DAY, LATER)
    return key, builder.sign(issuer or key, hashes.SHA256())


def test_full_disk_delays_a_renewal(
    own: OwnCertificate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The old certificate serves on, the log says why once, and the next look renews it."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.0)
    used = Tls(own)
    before = used.context
    own._hosts = lambda: ["10.0.0.9"]
    with monkeypatch.context() as full:
        full.setattr(durable, "write", raise_full)
        used.look()
        used.look()
    assert used.context is before
    assert caplog.text.count("cannot be renewed: [Errno 28]") == 1
    used.look()
    assert used.context is not before


def test_unforeseen_fault_of_a_renewal_does_not_end_the_server(
    web: Web, own: OwnCertificate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, with its traceback."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(own, "renew", lambda now: [][1])
    monkeypatch.setattr(web.server._waitress.tls, "_next_look", 0.0)
    eventually(lambda: "IndexError" in caplog.text)
    with visiting(web, own) as visitor:
        assert visitor.version()
    assert web.get("/api/latest").status_code == 200


def raise_full(*given: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ShelfError, match="cannot be kept there"):
        OwnCertificate(tmp_path / "file" / "tls", list)


def test_names_of_the_settings_are_in_it() -> None:
    """And those that are announced; without `lan` no address of the network."""
    settings = EdgeSettings.model_validate({"names": ["kiosk.fritz.box"], "name": "shop"})
    assert {"kiosk.fritz.box", "shop.local"} <= set(own_names(settings))


def test_public_addresses_are_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """They change with some providers, and each would need a new authority."""
    monkeypatch.setattr(certificates, "lan_addresses", lambda: ["2a00:1450::1", "192.168.1.20"])
    names = own_names(EdgeSettings.model_validate({"lan": True}))
    assert "192.168.1.20" in names
    assert "2a00:1450::1" not in names


# a given certificate


def test_given_certificate_is_used_and_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its files are replaced, new connections get the new one; a bad one is not taken."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.0)
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    given = Tls(GivenCertificate(certificate, key))
    trust = ssl.create_default_context(cafile=str(authority.file))

    def serial() -> str:
        with (
            socket.create_connection(("127.0.0.1", port), WAIT) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as visitor,
        ):
            found = visitor.getpeercert()
            assert found is not None
            return str(found["serialNumber"])

    with serving(StandInDevice(), tls=given) as running:
        port = running.server.port
        first = serial()
        assert running.get("/authority.crt").status_code == 404
        authority.issue("localhost")
        eventually(lambda: serial() != first)
        second = serial()
        key.write_text("nothing")
        eventually(lambda: "the page's certificate cannot be renewed" in caplog.text)
        assert serial() == second


def test_given_certificate_that_failed_once_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose owner is changed after it was put there: that leaves no trace in its files."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.0)
    authority = Authority(tmp_path)
    given = Tls(GivenCertificate(*authority.issue("localhost")))
    before = given.context
    authority.issue("localhost")
    with monkeypatch.context() as unreadable:
        unreadable.setattr(certificates, "server_context", raise_full)
        given.look()
    assert given.context is before
    given.look()
    assert given.context is not before


def test_given_files_that_cannot_be_used(tmp_path: Path) -> None:
    """The error says which, and nobody is asked for a passphrase."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    other = authority.issue("localhost-2")[1]
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for files in ((certificate, other), (certificate, locked), (key, key)):
        with pytest.raises(SettingsError, match="is no certificate in PEM, or"):
            GivenCertificate(*files)
    with pytest.raises(SettingsError, match=r"absent\.pem: cannot be read: No such file"):
        GivenCertificate(tmp_path / "absent.pem", key)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tls": True, "certificate": "page.pem"}, "certificate and key go together"),
        ({"key": "page.key"}, "certificate and key go together"),
    ],
)
def test_settings_that_do_not_go_together(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EdgeSettings.model_validate(values)


def test_settings_choose_the_certificate(tmp_path: Path) -> None:
    """None, an own one, or a given one."""
    assert open_tls(EdgeSettings.model_validate({}), tmp_path, list) is None
    made = open_tls(EdgeSettings.model_validate({"tls": True}), tmp_path / "tls", list)
    assert made is not None
    assert made.certificate.authority
    certificate, key = Authority(tmp_path).issue("localhost")
    values = {"tls": True, "certificate": certificate, "key": key}
    given = open_tls(EdgeSettings.model_validate(values), tmp_path / "none", list)
    assert given is not None
    assert not given.certificate.authority
    assert not (tmp_path / "none").exists()
