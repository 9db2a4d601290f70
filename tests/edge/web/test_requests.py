"""Problems, security headers, and who may ask, over real HTTP."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from edge.web.addresses import lan_addresses
from edge.web.security import HEADERS, host_name, is_known_host
from tests.support.served_page import (
    WAIT,
    Web,
    is_problem,
    raw_get,
    search,
)


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/", "/api/latest/", "/api//latest", "/static/none.js",
             "/static/../app.py", "/static/%2e%2e/app.py", "/%00", "/photos", "/<script>"]
)  # fmt: skip
def test_unknown_routes_are_problems(web: Web, path: str) -> None:
    """That holds for odd paths as well."""
    status, headers, body = raw_get(web, path, f"127.0.0.1:{web.server.port}")
    assert status == 404
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 404


def test_wrong_methods_are_problems(web: Web) -> None:
    """The answer names the right methods."""
    answer = web.post("/api/latest")
    assert "GET" in is_problem(answer, 405)
    assert "GET" in answer.headers["Allow"]
    assert "POST" in is_problem(web.get("/api/search"), 405)
    is_problem(httpx.delete(web.url + "/", timeout=60), 405)


def test_security_headers_are_on_every_answer(web: Web) -> None:
    """Pages, files, JSON and problems have them."""
    for path in ("/", "/static/page.js", "/api/latest", "/nope", "/api/items", "/openapi.json"):
        headers = web.get(path).headers
        for name, value in HEADERS:
            assert headers[name] == value, path
        assert "Server" not in headers
    policy = web.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")


@pytest.mark.parametrize("path", ["/", "/plain"])
def test_page_has_nothing_inline_and_nothing_foreign(web: Web, path: str) -> None:
    """The strict security policy would block it."""
    page = web.get(path).text
    assert "style=" not in page
    assert "<style" not in page
    assert " on" + "click" not in page
    own = page.count('<script type="module" src="/static/') + page.count('<script src="/static/')
    assert page.count("<script") == own
    assert "http" not in page.replace(' http-equiv="refresh" ', "")


def test_foreign_hosts_are_refused(web: Web) -> None:
    """Another name that leads here may be DNS rebinding."""
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "192.0.2.7", "",
                 "[2001:db8::1]", "user@localhost", "localhost/x", "localhost:port"):  # fmt: skip
        status, _, body = raw_get(web, "/api/latest", host)
        assert status == 400, host
        assert json.loads(body)["title"] == "Bad Request"


def test_own_hosts_are_accepted(web: Web) -> None:
    """Any port is accepted, because there may be a proxy in between."""
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8080", socket.gethostname()):
        assert raw_get(web, "/api/latest", host)[0] == 200, host


def test_lan_hosts() -> None:
    """With `lan`, this machine's own addresses are accepted, and no others."""
    machine = socket.gethostname().lower()
    assert is_known_host(machine, lan=False)
    assert not is_known_host(f"{machine.partition('.')[0]}.local", lan=False)
    assert is_known_host(f"{machine.partition('.')[0]}.local:8080", lan=True)
    assert not is_known_host("192.0.2.7", lan=True)
    assert not is_known_host("0.0.0.0", lan=True)
    assert not is_known_host("255.255.255.255", lan=True)
    assert is_known_host("kiosk.example", lan=False, allowed=frozenset({"kiosk.example"}))
    for address in lan_addresses():
        assert is_known_host(f"{address}:8080", lan=True)
        assert not is_known_host(address, lan=False)


def test_host_names_are_read_strictly() -> None:
    """Port, brackets, final dot and capitals are removed; the rest must be a name."""
    assert host_name("Kiosk.Local.:80") == "kiosk.local"
    assert host_name("[::1]:80") == "::1"
    for odd in ("a/b", "a?b", "u@h", "[::1", "h:port", ""):
        assert host_name(odd) == "", odd


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_other_websites_may_not_post(web: Web, headers: dict[str, str]) -> None:
    """A page of another site cannot make the device work."""
    is_problem(search(web, headers=headers), 403)


def test_own_page_may_post(web: Web) -> None:
    """A browser's headers are accepted, also behind a proxy for TLS."""
    netloc = f"127.0.0.1:{web.server.port}"
    for scheme in ("http", "https"):
        headers = {"Origin": f"{scheme}://{netloc}", "Sec-Fetch-Site": "same-origin"}
        assert search(web, headers=headers).status_code == 200


def test_what_the_server_refuses_itself_is_a_problem_too(web: Web) -> None:
    """The server refuses headers that are too long or missing, before the app is asked."""
    status, headers, body = raw_get(web, "/", "localhost", f"X: {'x' * 20_000}")
    assert status == 431
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 431
    assert headers["X-Content-Type-Options"] == "nosniff"
    with socket.create_connection(("127.0.0.1", web.server.port), WAIT) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert b" 400 Bad Request\r\n" in connection.recv(65_536)
