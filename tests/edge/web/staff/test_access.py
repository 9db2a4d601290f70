"""Nothing that changes anything is reachable without the staff's PIN."""

from __future__ import annotations

import ipaddress
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from edge.web.app import create_app
from edge.web.staff.access import COOKIE, OPEN_VIEWS, TOKEN_HEADER
from edge.web.staff.pin import FREE_ATTEMPTS, StaffPin
from edge.web.staff.sessions import IDLE_HERE_S, IDLE_S, LONGEST_S, MOST, Sessions
from tests.support.web_stand_in import StandInDevice

PIN, OTHER = "493028", "771350"
FROM_NETWORK = {"REMOTE_ADDR": "192.168.1.50"}


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """A client of a device whose PIN is set."""
    StaffPin(tmp_path).set(PIN, replace=True)
    return create_app(StandInDevice(), state_folder=tmp_path).test_client()


def enter(client: FlaskClient, **options: Any) -> str:
    """Enter the PIN; gives the session's token."""
    answer = client.post("/api/staff/session", json={"pin": PIN}, **options)
    assert answer.status_code == HTTPStatus.OK
    return str(answer.get_json()["token"])


def changing_routes(client: FlaskClient) -> list[tuple[str, str]]:
    """Method and path of every route that is not open to all."""
    found = []
    for rule in client.application.url_map.iter_rules():
        assert isinstance(rule, Rule)
        path = re.sub(r"<(?:\w+:)?\w+>", "1", rule.rule)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        guarded = methods if path.startswith("/api/staff/") else methods - {"GET"}
        if rule.endpoint not in OPEN_VIEWS:
            found += [(method, path) for method in guarded]
    return found


def test_what_is_open_to_all_changes_nothing() -> None:
    """But for a visitor's word at the device's own screen, which is only noted."""
    way_in = {"staff_session", "enter_pin", "set_pin"}
    assert {"matches", "search", *way_in, "hear_visitor"} == OPEN_VIEWS


@pytest.mark.parametrize("lan", [False, True])
def test_every_other_route_asks_for_a_session(tmp_path: Path, *, lan: bool) -> None:
    """At the device itself, and with `--lan` from the network, too."""
    StaffPin(tmp_path).set(PIN, replace=True)
    client = create_app(StandInDevice(lan=lan), state_folder=tmp_path).test_client()
    routes = changing_routes(client)
    assert ("GET", "/api/staff/status") in routes
    for method, path in routes:
        for place in (None, FROM_NETWORK):
            answer = client.open(path, method=method, json={}, environ_overrides=place)
            assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, path, place)


def test_what_changes_something_asks_for_the_token_too(client: FlaskClient) -> None:
    token = enter(client)
    assert client.get("/api/staff/status").status_code == HTTPStatus.OK
    for method, path in changing_routes(client):
        if method != "GET":
            for wrong in ("", token[:-1], "é"):
                answer = client.open(path, method=method, json={}, headers={TOKEN_HEADER: wrong})
                assert answer.status_code == HTTPStatus.FORBIDDEN, (method, path)
    headers = {TOKEN_HEADER: token, "Origin": "http://elsewhere.example"}
    assert client.delete("/api/staff/session", headers=headers).status_code == 403
    left = client.delete("/api/staff/session", headers={TOKEN_HEADER: token})
    assert left.status_code == HTTPStatus.OK
    assert client.get("/api/staff/status").status_code == HTTPStatus.UNAUTHORIZED


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient) -> None:
    for base, secure in (("http://localhost", False), ("https://localhost", True)):
        answer = client.post("/api/staff/session", json={"pin": PIN}, base_url=base)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert ("Secure" in cookie) is secure


def test_wrong_pins_are_refused_and_then_no_pin_is_looked_at(client: FlaskClient) -> None:
    said = []
    for _ in range(FREE_ATTEMPTS + 1):
        answer = client.post("/api/staff/session", json={"pin": OTHER})
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert "Set-Cookie" not in answer.headers
        said.append((answer.get_json()["detail"], answer.headers.get("Retry-After")))
    no = "This is not the PIN."
    assert said == [
        *((f"{no} Tries left before a wait: {left}.", None) for left in (4, 3, 2, 1)),
        (f"{no} The next one is looked at in 30 seconds.", "30"),
    ]
    answer = client.post("/api/staff/session", json={"pin": PIN})
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"nonsense", b'{"pin": 7}', b'{"pin": "\\ud800"}', b"[" * 9000]
)
def test_nonsense_is_answered_with_a_problem(client: FlaskClient, content: bytes) -> None:
    answer = client.post("/api/staff/session", data=content, content_type="application/json")
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    large = client.post("/api/staff/session", data=b" " * 20_000)
    assert large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_the_first_pin_is_set_at_the_device_alone(tmp_path: Path) -> None:
    client = create_app(StandInDevice(lan=True), state_folder=tmp_path).test_client()
    attempts: list[dict[str, Any]] = [
        {"environ_overrides": FROM_NETWORK},
        {"headers": {"X-Forwarded-For": "192.168.1.50"}},  # a proxy on the device itself
    ]
    for attempt in attempts:
        assert client.get("/api/staff/session", **attempt).get_json()["may_set_pin"] is False
        answer = client.post("/api/staff/pin", json={"pin": PIN}, **attempt)
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert client.get("/api/staff/session").get_json()["may_set_pin"] is True
    assert client.post("/api/staff/pin", json={"pin": "1"}).status_code == HTTPStatus.BAD_REQUEST
    answer = client.post("/api/staff/pin", json={"pin": PIN})
    assert answer.get_json()["token"]
    assert client.get("/api/staff/status").status_code == HTTPStatus.OK
    again = client.post("/api/staff/pin", json={"pin": OTHER})
    assert again.status_code == HTTPStatus.CONFLICT


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1/32"], ["10.0.0.0/8", "::1/128"]])
def test_behind_a_proxy_that_says_nothing_nobody_counts_as_at_the_device(
    tmp_path: Path, trusted: list[str]
) -> None:
    client = create_app(
        StandInDevice(),
        names=["shop.example"],
        trusted=[ipaddress.ip_network(network) for network in trusted],
        state_folder=tmp_path,
    ).test_client()
    assert client.get("/api/staff/session").get_json()["may_set_pin"] is False
    answer = client.post("/api/staff/pin", json={"pin": PIN})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "localhost" not in answer.get_json()["detail"]


def test_another_pin_ends_all_sessions(client: FlaskClient, tmp_path: Path) -> None:
    enter(client)
    StaffPin(tmp_path).set(OTHER, replace=True)
    assert client.get("/api/staff/status").status_code == HTTPStatus.UNAUTHORIZED


def test_a_device_without_a_state_folder_lets_nobody_in() -> None:
    client = create_app(StandInDevice()).test_client()
    for path in ("/api/staff/session", "/api/staff/pin"):
        assert client.post(path, json={"pin": PIN}).status_code == HTTPStatus.FORBIDDEN
    assert client.get("/api/staff/status").status_code == HTTPStatus.UNAUTHORIZED


def test_a_session_at_the_device_itself_ends_sooner_unused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StaffPin(tmp_path).set(PIN, replace=True)
    now = [0.0]
    monkeypatch.setattr("edge.web.staff.access.Sessions", lambda: Sessions(lambda: now[0]))
    app = create_app(StandInDevice(lan=True), state_folder=tmp_path)
    here, phone = app.test_client(), app.test_client()
    enter(here)
    enter(phone, environ_overrides=FROM_NETWORK)
    for _ in range(2):
        now[0] += IDLE_HERE_S - 1
        assert here.get("/api/staff/status").status_code == HTTPStatus.OK
    now[0] += IDLE_HERE_S + 1
    assert here.get("/api/staff/status").status_code == HTTPStatus.UNAUTHORIZED
    answer = phone.get("/api/staff/status", environ_overrides=FROM_NETWORK)
    assert answer.status_code == HTTPStatus.OK


def test_a_session_ends_unused_after_a_day_and_when_there_are_too_many() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    idle, _ = sessions.begin("mark")
    now[0] += IDLE_S + 1
    assert sessions.find(idle, "mark") is None
    used, _ = sessions.begin("mark")
    for _ in range(int(LONGEST_S / IDLE_S)):
        now[0] += IDLE_S - 1
        assert sessions.find(used, "mark") is not None
    now[0] += IDLE_S - 1
    assert sessions.find(used, "mark") is None
    cookies = [sessions.begin("mark")[0] for _ in range(MOST + 1)]
    assert [sessions.find(cookie, "mark") is None for cookie in cookies[:2]] == [True, False]
