"""The history for staff, and what visitors say at the device's own screen."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from catalog.bundles.items import Item
from catalog.recognition.decision import Verdict
from edge.history.kept import kept_sighting
from edge.history.missing import Group
from edge.history.recorder import HistoryRecorder
from edge.history.store import Filters, History, Retention
from edge.sighting import Candidate, Sighting
from edge.web.app import create_app
from edge.web.staff.access import TOKEN_HEADER
from edge.web.staff.pin import StaffPin
from tests.edge.web.test_openapi import check
from tests.support.web_stand_in import CUP, GEAR, LAMP, WRENCH, StandInDevice

PIN = "493028"
FROM_NETWORK = {"REMOTE_ADDR": "192.168.1.50"}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[StandInDevice]:
    """A device that keeps a history, with looks."""
    recorder = HistoryRecorder(History(tmp_path, Retention(looks=True)))
    yield StandInDevice(history=recorder)
    recorder.stop()


@pytest.fixture
def client(device: StandInDevice, tmp_path: Path) -> FlaskClient:
    """A client that has entered the PIN."""
    StaffPin(tmp_path).set(PIN, replace=True)
    client = create_app(device, state_folder=tmp_path).test_client()
    token = client.post("/api/staff/session", json={"pin": PIN}).get_json()["token"]
    client.environ_base[f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}"] = token
    return client


def seen(device: StandInDevice, verdict: Verdict, things: list[int]) -> Sighting:
    sighting = device.show(verdict, [(thing, 0.9 - thing / 10) for thing in things], GEAR)
    assert device.history is not None
    device.history.sighting(sighting, "network", None)
    return sighting


def test_history_is_listed_filtered_and_exported(
    device: StandInDevice, client: FlaskClient
) -> None:
    named = seen(device, Verdict.MATCH, [CUP, LAMP])
    seen(device, Verdict.UNKNOWN, [])
    found = client.get("/api/staff/history").get_json()
    assert [entry["answer"] for entry in found["sightings"]] == ["unknown", "match"]
    assert (found["before"], found["keeps_looks"]) == (None, True)
    first = client.get("/api/staff/history?limit=1").get_json()
    second = client.get(f"/api/staff/history?limit=1&before={first['before']}").get_json()
    assert second["sightings"][0]["id"] == named.id
    assert client.get("/api/staff/history?limit=0").get_json()["sightings"] == []
    assert client.get("/api/staff/history?q=stoneware").get_json()["sightings"] == [
        found["sightings"][1]
    ]
    assert client.get("/api/staff/history?since=2100-01-01").get_json()["sightings"] == []
    look = client.get(f"/api/staff/history/{named.id}/look.jpg")
    assert look.data == named.crop_jpeg
    formula = Item("=1+1", "@SUM(A1)", "", "", "", {})
    hostile = replace(named, id="hostile", matches=(Candidate(formula, 0, 0.9, 0.9),))
    assert device.history is not None
    device.history.sighting(hostile, "network", None)
    table = client.get("/api/staff/history.csv")
    assert table.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"))))
    assert [row["title"] for row in rows] == ["'@SUM(A1)", "", "Blue stoneware cup"]
    assert rows[0]["sku"] == "'=1+1"
    assert client.delete("/api/staff/history").status_code == HTTPStatus.OK
    assert client.get("/api/staff/history").get_json()["sightings"] == []


def test_what_is_no_longer_among_the_last_is_judged_by_what_is_kept(
    device: StandInDevice, client: FlaskClient
) -> None:
    named = device.sighting(Verdict.MATCH, [(CUP, 0.9), (LAMP, 0.5)])
    guessed = device.sighting(Verdict.PERHAPS, [(GEAR, 0.6), (WRENCH, 0.5)])
    recorder = device.history
    assert recorder is not None
    for sighting in (named, guessed):
        recorder.sighting(sighting, "network", None)
    assert recorder.flush(60)
    paths = [f"/api/sightings/{sighting.id}/verdict" for sighting in (named, guessed)]
    assert (
        client.application.test_client().post(paths[0], json={"verdict": "right"}).status_code
        == 401
    )
    assert client.post(paths[0], json={"verdict": "right"}).status_code == HTTPStatus.OK
    lamp = {"verdict": "item", "sku": "LAMP-2"}
    assert client.post(paths[1], json=lamp).status_code == HTTPStatus.OK
    assert client.post("/api/sightings/absent/verdict", json=lamp).status_code == 404
    assert [judged.knows_shown for judged in device.judged] == [False, False]
    first, second = device.judged
    assert (first.named, second.named) == ("CUP-01", "LAMP-2")
    assert (first.sighting.at, first.sighting.evidence) == (named.at, None)
    assert first.sighting.crop_jpeg == named.crop_jpeg
    assert second.sighting.verdict is Verdict.PERHAPS
    assert [guess.item.sku for guess in second.sighting.guesses] == ["GEAR/24"]
    document = client.get("/api/staff/history").get_json()
    check(document, "/api/staff/history")
    assert [entry["judged"] for entry in document["sightings"]] == [
        {"verdict": "item", "sku": "LAMP-2", "title": "Desk lamp “Mono”"},
        {"verdict": "right", "sku": None, "title": None},
    ]
    table = client.get("/api/staff/history.csv").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["judged"], row["judged_sku"]) for row in rows] == [
        ("item", "LAMP-2"),
        ("right", ""),
    ]


@pytest.mark.parametrize(
    "query",
    ["answer=all", "limit=-1", "limit=201", "limit=²", "before=1e9", "since=yesterday",
     "until=9999-99-99", "since=0001-01-01T00:00:00", f"q={'x' * 201}"],
)  # fmt: skip
def test_a_wrong_filter_is_named(client: FlaskClient, query: str) -> None:
    assert client.get(f"/api/staff/history?{query}").status_code == HTTPStatus.BAD_REQUEST


def test_what_was_asked_for_in_vain(device: StandInDevice, client: FlaskClient) -> None:
    device.groups = [Group(3, 1, "", 1e9, 2e9, ("a", "b"))]
    (group,) = client.get("/api/staff/missing").get_json()["groups"]
    assert (group["count"], group["wanted"], group["gtin"]) == (3, 1, None)
    assert group["last"] == "2033-05-18T03:33:20.000Z"


def test_a_device_without_history_says_so(tmp_path: Path) -> None:
    StaffPin(tmp_path).set(PIN, replace=True)
    client = create_app(StandInDevice(), state_folder=tmp_path).test_client()
    client.post("/api/staff/session", json={"pin": PIN})
    for path in ("history", "history.csv", "missing", "history/1/look.jpg"):
        assert client.get(f"/api/staff/{path}").status_code == HTTPStatus.NOT_FOUND


def test_an_answer_of_a_newer_version_cannot_be_judged(tmp_path: Path) -> None:
    """After a rollback of the program its history stays, and what it knows of is judged."""
    sighting, retention = StandInDevice().sighting(Verdict.MATCH, [(CUP, 0.9)]), Retention()
    recorder = HistoryRecorder(History(tmp_path, retention))
    recorder.sighting(sighting, "network", None)
    recorder.stop()
    with closing(sqlite3.connect(recorder.history.path)) as database, database:
        database.execute("update sightings set answer = 'newer'")
    history = History(tmp_path, retention)
    assert history.find(sighting.id) is not None
    assert kept_sighting(history, sighting.id) is None
    history.close()


def test_a_visitor_s_word_is_noted_at_the_own_screen_alone(
    device: StandInDevice, client: FlaskClient
) -> None:
    visitor = client.application.test_client()
    sighting = seen(device, Verdict.PERHAPS, [GEAR, WRENCH])
    path = f"/api/sightings/{sighting.id}/visitor"
    for refused in ({"chosen": "CUP-01"}, {"wanted": False}, {"chosen": "WR-17", "wanted": True}):
        assert visitor.post(path, json=refused).status_code == HTTPStatus.BAD_REQUEST
    from_network = visitor.post(path, json={"wanted": True}, environ_overrides=FROM_NETWORK)
    assert from_network.status_code == HTTPStatus.FORBIDDEN
    other_site = {"Origin": "http://elsewhere.example"}
    assert visitor.post(path, json={"wanted": True}, headers=other_site).status_code == 403
    assert visitor.post("/api/sightings/none/visitor", json={"wanted": True}).status_code == 404
    assert client.get("/api/staff/history?asked=1").get_json()["sightings"] == []
    assert visitor.post(path, json={"chosen": "WR-17"}).get_json() == {"noted": True}
    assert visitor.post(path, json={"wanted": True}).get_json() == {"noted": True}
    (entry,) = client.get("/api/staff/history?asked=1").get_json()["sightings"]
    assert (entry["chosen"], entry["wanted"]) == ("WR-17", True)


@pytest.mark.slow
def test_the_kiosk_tells_the_staff(page: Page, device: StandInDevice) -> None:
    """A tap on a guess and on "Tell the staff" are noted."""
    guessed = seen(device, Verdict.PERHAPS, [GEAR, WRENCH])
    page.get_by_role("button", name="Combination wrench").click()
    unknown = seen(device, Verdict.UNKNOWN, [])
    page.get_by_role("button", name="Back to live").click()
    page.get_by_role("button", name="Tell the staff").click()
    expect(page.get_by_text("Thank you. The staff will see it.")).to_be_visible()
    recorder = device.history
    assert recorder is not None
    assert recorder.flush(60)
    found = {entry.id: entry for entry in recorder.history.entries(Filters(asked=True), 0, 9)}
    assert found[guessed.id].chosen == "WR-17"
    assert found[unknown.id].wanted


@pytest.mark.slow
def test_the_kiosk_thanks_nobody_where_nothing_is_kept(page: Page, device: StandInDevice) -> None:
    device.history = None
    device.show(Verdict.UNKNOWN, [])
    page.get_by_role("button", name="Tell the staff").click()
    expect(page.get_by_role("button", name="That did not work. Try again.")).to_be_enabled()
