"""``POST /matches``: an app like the sample's, from another origin, in a real Chromium.

The app is short, but AngularJS is the real one, because it decides what a missing match leaves on
the screen.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from catalog.recognition.decision import Verdict
from edge.web.app import create_app
from edge.web.matches import BLANK, BLANK_PICTURE
from tests.support.browsing import CHROMIUM, visiting, within
from tests.support.web_stand_in import (
    BUNDLE,
    CUP,
    GEAR,
    HOSTILE,
    HOSTILE_TITLE,
    LAMP,
    SHELL,
    WRENCH,
    StandInDevice,
    serving,
)

ANOTHER_SITE = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}

ANGULARJS = Path("/usr/share/javascript/angular.js/angular.min.js")

# Asks, reads and shows as the sample's app does, ten times as often.
APP = """<!doctype html><title>app</title><body ng-app="app" ng-controller="Search">
<img ng-src="{{images[0]}}"><img ng-src="{{images[1]}}"><img ng-src="{{images[2]}}">
<a>{{titles[0]}}</a><a>{{titles[1]}}</a><a>{{titles[2]}}</a>
<script src="/angular.js"></script><script>
angular.module("app", []).controller("Search", ($scope, $interval, $http) => {
  const poll = $interval(() => {
    $http.post("ENV" + "matches", { ApiCallType: "check-search-results" }).then((answer) => {
      const found = JSON.parse(answer.data.body.replace(/\\'/g, '"')).matches;
      $scope.images = found.map((match) => match.url);
      $scope.titles = found.map((match) => match.title);
    }, () => $interval.cancel(poll));
  }, 1000);
});
</script>"""


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def client(device: StandInDevice) -> FlaskClient:
    return create_app(device).test_client()


def ask(client: FlaskClient, **headers: str) -> TestResponse:
    return client.post("/matches", json={"ApiCallType": "x"}, headers=ANOTHER_SITE | headers)


def matches(answer: TestResponse) -> list[dict[str, Any]]:
    """The matches, read as the app does, without the blanks that make them four."""
    assert answer.status_code == 200
    assert set(answer.get_json()) == {"statusCode", "headers", "body"}
    body = answer.get_json()["body"]
    found: list[dict[str, Any]] = json.loads(body.replace("'", '"'))["matches"]
    assert len(found) == 4
    count = sum(match["id"] != "" for match in found)
    assert found[count:] == [BLANK] * (4 - count)
    return found[:count]


def test_best_first_with_title_and_photo(device: StandInDevice, client: FlaskClient) -> None:
    """The photo's address is absolute, with the host that was asked."""
    device.show(Verdict.MATCH, [(HOSTILE, 0.9), (GEAR, 0.5)])
    answer = ask(client, Host="127.0.0.1:8080")
    assert "'" not in answer.get_json()["body"]
    assert matches(answer) == [
        {
            "id": "HOST'ILE",
            "title": HOSTILE_TITLE,
            "url": f"http://127.0.0.1:8080/photos/{BUNDLE}/{HOSTILE}",
        },
        {
            "id": "GEAR/24",
            "title": "Spur gear, 24 teeth, module 1.5",
            "url": f"http://127.0.0.1:8080/photos/{BUNDLE}/{GEAR}",
        },
    ]


def test_one_of_these_names_them_all(device: StandInDevice, client: FlaskClient) -> None:
    device.show(Verdict.ONE_OF, [(CUP, 0.7), (WRENCH, 0.69)])
    assert [match["id"] for match in matches(ask(client))] == ["CUP-01", "WR-17"]


def test_there_are_never_more_than_four(device: StandInDevice, client: FlaskClient) -> None:
    things = (CUP, WRENCH, GEAR, LAMP, SHELL)
    device.show(Verdict.MATCH, [(thing, 0.9 - 0.1 * thing) for thing in things])
    found = matches(ask(client))
    assert [match["id"] for match in found] == ["CUP-01", "WR-17", "GEAR/24", "LAMP-2"]


@pytest.mark.parametrize("state", ["before the first", "unknown", "nothing", "offline", "closed"])
@pytest.mark.slow
def test_else_there_are_none_and_never_an_error(
    device: StandInDevice, client: FlaskClient, state: str
) -> None:
    """An error would stop the app for good."""
    if state == "unknown":
        device.show(Verdict.UNKNOWN, [])
    elif state == "nothing":
        device.show(Verdict.NOTHING, [])
    elif state == "offline":
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        device.go_offline()
    elif state == "closed":
        device.opened = None
    assert matches(ask(client)) == []


def test_any_body_will_do(client: FlaskClient) -> None:
    for body, kind in ((b"", None), (b"{", "application/json"), (b"x" * 70_000, "text/plain")):
        answer = client.post("/matches", data=body, content_type=kind, headers=ANOTHER_SITE)
        assert matches(answer) == []


def test_this_route_alone_is_open_to_other_sites(client: FlaskClient) -> None:
    """The photos that it names are open as well; the camera's picture and the rest are not."""
    assert ask(client).headers["Access-Control-Allow-Origin"] == "*"
    preflight = client.options(
        "/matches", headers=ANOTHER_SITE | {"Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
    photo = client.get(f"/photos/{BUNDLE}/0")
    assert photo.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for path in ("/", "/api/latest", "/api/search", "/api/items?q=cup", "/camera.jpg", "/nope"):
        for method in ("GET", "OPTIONS", "POST"):
            answer = client.open(path, method=method, headers=ANOTHER_SITE)
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert client.post("/api/search", headers=ANOTHER_SITE).status_code == 403


def test_a_foreign_host_is_refused_here_too(client: FlaskClient) -> None:
    assert ask(client, Host="evil.example").status_code == 400


class AppServer(ThreadingHTTPServer):
    """Serves the app's page and AngularJS, for a device's address."""

    def __init__(self, device: str) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        page = APP.replace("ENV", device).encode()
        self.files = {
            "/": ("text/html; charset=utf-8", page),
            "/angular.js": ("text/javascript", ANGULARJS.read_bytes()),
        }


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, AppServer)
        kind, data = self.server.files.get(self.path, ("text/plain", b""))
        self.send_response(200 if data else 204)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(params=["127.0.0.1", "localhost"])
def app(request: pytest.FixtureRequest, device: StandInDevice, browser: Any) -> Iterator[Page]:
    """The app on another port, and on another site."""
    with serving(device) as address, AppServer(address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            port = server.server_address[1]
            with visiting(browser, f"http://{request.param}:{port}/") as page:
                yield page
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(
    not (CHROMIUM.exists() and ANGULARJS.exists()), reason="Chromium or AngularJS is not installed"
)
def test_the_app_shows_each_answer_and_nothing_of_the_last(
    app: Page, device: StandInDevice
) -> None:
    """It shows three items, then two, one of them with an apostrophe, then none."""
    device.show(Verdict.ONE_OF, [(GEAR, 0.9), (WRENCH, 0.8), (LAMP, 0.7)])
    expect(app.locator("a")).to_have_text(
        ["Spur gear, 24 teeth, module 1.5", "Combination wrench, 17 mm", "Desk lamp “Mono”"]
    )
    await_pictures(app, [GEAR, WRENCH, LAMP])
    device.show(Verdict.MATCH, [(HOSTILE, 0.9), (CUP, 0.5)])
    expect(app.locator("a")).to_have_text([HOSTILE_TITLE, "Blue stoneware cup", ""])
    await_pictures(app, [HOSTILE, CUP, None])
    device.show(Verdict.NOTHING, [])
    expect(app.locator("a")).to_have_text(["", "", ""])
    await_pictures(app, [None, None, None])


def await_pictures(app: Page, things: list[int | None]) -> None:
    """Wait until the app has loaded these things' pictures, blanks for None."""
    ends = [BLANK_PICTURE if thing is None else f"/photos/{BUNDLE}/{thing}" for thing in things]
    app.wait_for_function(
        "(ends) => ends.every((end, place) => document.images[place].complete"
        " && document.images[place].naturalWidth > 0 && document.images[place].src.endsWith(end))",
        arg=ends,
        timeout=within(10),
    )
