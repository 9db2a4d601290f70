"""The page behind names, reverse proxies, port forwards and sub-paths: a real nginx among them."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, expect
from pydantic import ValidationError

from catalog.core.settings import load
from catalog.recognition.decision import Verdict
from edge.settings import EdgeSettings
from edge.web.app import create_app
from edge.web.proxies import client_address
from edge.web.streams import MOST_OF_CLIENT
from tests.support.browsing import visiting
from tests.support.nginx import nginx
from tests.support.web_stand_in import CUP, StandInDevice, draw_look, serving

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
X_FORWARDED = """
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Proto https;
"""
PHOTO = {"Content-Type": "image/jpeg"}


def open_page(proxy: str, page: str, root: str = "") -> dict[str, Any]:
    """What a browser does at `page`, asked of the proxy: page, state, photos, a photo search."""
    site = urlsplit(page)
    headers = {"Host": site.netloc, "Origin": f"{site.scheme}://{site.netloc}"}
    with httpx.Client(base_url=proxy, timeout=60) as browser:
        shown = browser.get(f"{root}/", headers=headers)
        assert shown.status_code == 200, shown.text
        for address in re.findall(r'(?:href|src)="(/[^"]*)"', shown.text):
            assert browser.get(address, headers=headers).status_code == 200, address
        answer = browser.post(f"{root}/api/search", content=draw_look(CUP), headers=headers | PHOTO)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        for address in (found["look"], found["matches"][0]["photo"]):
            assert browser.get(address, headers=headers).status_code == 200, address
        sample: dict[str, Any] = browser.post(f"{root}/matches", json={}, headers=headers).json()
        with browser.stream("GET", f"{root}/api/events", headers=headers) as events:
            lines = events.iter_lines()
            assert any(line == "event: state" for line in lines)
    return sample


@pytest.mark.slow
@pytest.mark.parametrize(
    ("configuration", "page", "seen_as"),
    [
        ("proxy_pass {device}/;", "https://shop.example", ""),
        ("proxy_set_header Host $host; proxy_pass {device};", "https://shop.example:8443", ""),
        (X_FORWARDED + "proxy_pass {device};", "https://shop.example", "https://shop.example"),
        (X_FORWARDED + "proxy_set_header Host $http_host; proxy_pass {device};",
         "https://shop.example:8443", "https://shop.example:8443"),
        ('proxy_set_header Forwarded "for=10.1.2.3;host=$http_host;proto=https"; '
         "proxy_pass {device};", "https://shop.example", "https://shop.example"),
    ],
    ids=["as delivered", "host without port", "forwarded", "forwarded with host", "rfc 7239"],
)  # fmt: skip
def test_page_behind_nginx(tmp_path: Path, configuration: str, page: str, seen_as: str) -> None:
    """All of it works, and what names the page's own address names the proxy's."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    with (
        serving(device, names=["shop.example"], trusted=LOOPBACK) as address,
        nginx(tmp_path, f"location / {{ {configuration.format(device=address[:-1])} }}") as proxy,
    ):
        sample = open_page(proxy, page)
        assert f'"url": "{seen_as}' in sample["body"]


@pytest.mark.slow
@pytest.mark.parametrize("slash", ["", "/"], ids=["path kept", "path removed"])
def test_sub_path_behind_nginx(tmp_path: Path, slash: str) -> None:
    """The proxy may remove the path or not; the device's own screen needs none."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    with serving(device, names=["shop.example"], trusted=LOOPBACK, prefix="/search") as address:
        location = f"location /search/ {{ {X_FORWARDED} proxy_pass {address[:-1]}{slash}; }}"
        with nginx(tmp_path, location) as proxy:
            sample = open_page(proxy, "https://shop.example", "/search")
            assert '"url": "https://shop.example/search/photos/' in sample["body"]
            named = {"Host": "shop.example"}
            described = httpx.get(f"{proxy}/search/openapi.json", headers=named, timeout=60).json()
            assert described["servers"] == [{"url": "/search"}]
            for page in ("", "plain"):
                text = httpx.get(f"{proxy}/search/{page}", headers=named, timeout=60).text
                assert "url=/search/plain" in text
                assert not re.search(r'(?:href="|src="|url=)/(?!search/)', text)
        open_page(address[:-1], address[:-1])
        bare = httpx.get(f"{address}search", timeout=60)
        assert (bare.status_code, bare.headers["Location"]) == (308, "/search/")


def test_browser_in_a_sub_path(tmp_path: Path, browser: Browser) -> None:
    """Scripts, live picture, answer and a photo search, at the address of a proxy."""
    device = StandInDevice()
    with serving(device, prefix="/search") as address:
        location = (
            f"location /search/ {{ proxy_set_header Host $http_host; proxy_pass {address}; }}"
        )
        with nginx(tmp_path, location) as proxy, visiting(browser, f"{proxy}/search/") as page:
            expect(page.locator("#picture")).to_be_visible()
            device.show(Verdict.MATCH, [(CUP, 0.9)])
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            expect(page.locator("#look")).to_be_visible()
            photo = FilePayload(name="cup.jpg", mimeType="image/jpeg", buffer=draw_look(CUP))
            page.locator("#photo").set_input_files(photo)
            expect(page.locator("#result-words")).to_have_text("Your photo")
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            assert page.locator(".thing img").evaluate("image => image.naturalWidth > 0")


def test_port_forward_and_container() -> None:
    """The browser's host name and port come as they are; a name or address that is set is known."""
    names = ["kiosk.fritz.box", "192.0.2.7"]
    with serving(StandInDevice(), names=names) as address:
        for page in ("http://kiosk.fritz.box", "http://192.0.2.7:9000", "http://localhost:9000"):
            open_page(address[:-1], page)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example", "X-Forwarded-Host": "shop.example"},
        {"Host": "evil.example", "Forwarded": "host=shop.example"},
        {"Host": "shop.example", "X-Forwarded-Host": "evil.example"},
        {"Host": "shop.example", "Forwarded": "host=evil.example"},
        {"Host": "shop.example", "X-Forwarded-Host": "shop.example, evil.example"},
    ],
)
def test_names_that_nobody_set_are_refused(headers: dict[str, str]) -> None:
    """Whatever else the request claims; the sentence names the setting."""
    app = create_app(StandInDevice(), names=["shop.example"], trusted=LOOPBACK)
    answer = app.test_client().get("/api/latest", headers=headers)
    assert answer.status_code == 400
    assert '[edge] names = ["evil.example"]' in answer.get_json()["detail"]


def test_who_is_no_proxy_is_not_believed() -> None:
    """Neither the host nor the client that it tells; also where a proxy elsewhere is trusted."""
    app = create_app(StandInDevice(), trusted=[ipaddress.ip_network("10.0.0.0/8")])
    said = {
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "Host": "localhost",
    }
    assert app.test_client().get("/api/latest", headers=said).status_code == 200
    as_peer = app.test_client().get(
        "/api/latest", headers=said, environ_base={"REMOTE_ADDR": "::ffff:10.0.0.1"}
    )
    assert as_peer.status_code == 400


def test_foreign_origin_behind_a_proxy_is_refused() -> None:
    """A name of the settings opens nothing for other websites; the sentence names the setting."""
    client = create_app(StandInDevice(), names=["shop.example"]).test_client()
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null"):
        headers = {"Host": "shop.example", "Origin": origin}
        answer = client.post("/api/search", data=draw_look(CUP), headers=headers | PHOTO)
        assert answer.status_code == 403, origin
        named = '[edge] names = ["' + origin.removeprefix("https://") + '"]'
        assert (named in answer.get_json()["detail"]) == (origin != "null")
    other = {"Host": "shop.example", "Origin": "https://shop.example:1"}
    same_site = other | {"Sec-Fetch-Site": "same-site"} | PHOTO
    assert client.post("/api/search", data=draw_look(CUP), headers=same_site).status_code == 403


@pytest.mark.slow
def test_clients_behind_a_proxy_are_told_apart(tmp_path: Path) -> None:
    """One of them cannot take the streams of the others, nor by what it claims to be."""
    configuration = (
        'location / {{ proxy_set_header X-Forwarded-For "$http_x_real, $http_x_visitor"; '
        "proxy_pass {device}; }}"
    )
    with (
        serving(StandInDevice(), trusted=LOOPBACK) as address,
        nginx(tmp_path, configuration.format(device=address[:-1])) as proxy,
        httpx.Client(base_url=proxy, timeout=60) as visitors,
    ):
        opened = []
        for number in range(MOST_OF_CLIENT):
            claimed = {"X-Visitor": "10.1.1.1", "X-Real": f"10.9.9.{number}"}
            request = visitors.build_request("GET", "/api/events", headers=claimed)
            opened.append(visitors.send(request, stream=True))
            assert opened[-1].status_code == 200
        answer = visitors.get("/api/events", headers={"X-Visitor": "10.1.1.1"})
        assert answer.status_code == 503
        assert "12 of 10.1.1.1 or 48 of all" in answer.json()["detail"]
        with visitors.stream("GET", "/api/events", headers={"X-Visitor": "10.1.1.2"}) as other:
            assert other.status_code == 200
        for stream in opened:
            stream.close()


def test_addresses_of_clients() -> None:
    """An IPv4 client of a socket for both is the same client."""
    assert str(client_address("::ffff:10.0.0.1")) == "10.0.0.1"
    assert str(client_address("fe80::1%eth0")) == "fe80::1"
    assert client_address("unknown") is None


# the settings


def test_names_and_proxies_are_read() -> None:
    """A list of the file; a name in capitals or in another alphabet is as browsers send it."""
    settings = EdgeSettings.model_validate(
        {
            "names": [
                "Kiosk.Fritz.Box",
                "büro.example",
                "192.168.1.5",
                "[fd00::2]",
                "visual_search",
            ],
            "trust_proxy": ["127.0.0.1", "172.16.0.0/12"],
            "prefix": "/search/two",
        }
    )
    assert settings.names == (
        "kiosk.fritz.box", "xn--bro-hoa.example", "192.168.1.5", "fd00::2", "visual_search"
    )  # fmt: skip
    assert [str(network) for network in settings.trusted_networks] == [
        "127.0.0.1/32", "172.16.0.0/12"
    ]  # fmt: skip
    assert EdgeSettings.model_validate(settings.model_dump()) == settings


def test_names_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas stand between them."""
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__NAMES", "kiosk.fritz.box, shop.example")
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__TRUST_PROXY", "127.0.0.1")
    settings = load("edge", EdgeSettings)
    assert settings.names == ("kiosk.fritz.box", "shop.example")
    assert settings.trust_proxy == ("127.0.0.1/32",)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("names", ["http://kiosk.fritz.box"], "without http://, port and path"),
        ("names", ["kiosk.fritz.box:8080"], "without http://, port and path"),
        ("names", ["*.fritz.box"], "not a host name"),
        ("names", [""], "not a host name"),
        ("trust_proxy", ["nginx"], "address or network of a proxy"),
        ("trust_proxy", ["172.16.0.1/12"], "host bits"),
        ("trust_proxy", ["0.0.0.0/0"], "everybody in it could say in a header who they are"),
        ("trust_proxy", ["127.0.0.1", "128.0.0.0/1"], "more than any private network"),
        ("trust_proxy", ["::/0"], "more than any private network"),
        ("prefix", "search", "begin with a slash"),
        ("prefix", "/search/", "not end with one"),
        ("prefix", "/a/../b", "not a path"),
        ("prefix", "//evil.example", "not a path"),
    ],
)
def test_what_is_no_name_proxy_or_path_is_refused(name: str, value: object, words: str) -> None:
    """The sentence shows what it should be."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        EdgeSettings.model_validate({name: value})
