"""``POST /api/sightings/{id}/verdict``."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from catalog.recognition.decision import Verdict
from edge.sighting import Judgement
from edge.web.app import create_app
from edge.web.staff.access import TOKEN_HEADER
from edge.web.staff.pin import StaffPin
from tests.edge.web.staff.test_access import PIN, enter
from tests.edge.web.test_openapi import check
from tests.support.web_stand_in import CUP, WRENCH, StandInDevice


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def client(tmp_path: Path, device: StandInDevice) -> FlaskClient:
    StaffPin(tmp_path).set(PIN, replace=True)
    return create_app(device, state_folder=tmp_path).test_client()


@pytest.fixture
def headers(client: FlaskClient) -> dict[str, str]:
    return {TOKEN_HEADER: enter(client)}


@pytest.mark.parametrize(
    ("body", "sku"),
    [
        ({"verdict": "right"}, ""),
        ({"verdict": "wrong"}, ""),
        ({"verdict": "foreign"}, ""),
        ({"verdict": "item", "sku": "GEAR/24"}, "GEAR/24"),
    ],
)
def test_a_verdict_is_stored(
    client: FlaskClient,
    headers: dict[str, str],
    device: StandInDevice,
    body: dict[str, str],
    sku: str,
) -> None:
    shown = device.show(Verdict.MATCH, [(CUP, 0.9), (WRENCH, 0.5)])
    answer = client.post(f"/api/sightings/{shown.id}/verdict", json=body, headers=headers)
    assert answer.status_code == 200
    check(answer.get_json(), "/api/sightings/{sighting_id}/verdict", "post")
    assert answer.get_json()["sku"] == (sku or None)
    assert [judgement.sku for judgement in device.judged] == [sku]
    assert device.judged[0] == Judgement(shown, device.judged[0].verdict, sku)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "maybe"},
        {"verdict": ["right"]},
        {"verdict": "right", "sku": "GEAR/24"},
        {"verdict": "item"},
        {"verdict": "item", "sku": ""},
        {"verdict": "item", "sku": 7},
        {"verdict": "item", "sku": "x" * 1001},
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    client: FlaskClient, headers: dict[str, str], device: StandInDevice, body: dict[str, object]
) -> None:
    shown = device.show(Verdict.MATCH, [(CUP, 0.9)])
    answer = client.post(f"/api/sightings/{shown.id}/verdict", json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert len(answer.get_json()["detail"]) > 20
    assert device.judged == []


def test_what_is_not_there_cannot_be_judged(
    client: FlaskClient, headers: dict[str, str], device: StandInDevice
) -> None:
    right = {"verdict": "right"}
    absent = client.post("/api/sightings/absent/verdict", json=right, headers=headers)
    assert absent.status_code == 404
    nothing = device.show(Verdict.NOTHING, [])
    answer = client.post(f"/api/sightings/{nothing.id}/verdict", json=right, headers=headers)
    assert answer.status_code == 409
    shown = device.show(Verdict.UNKNOWN, [], look=CUP)
    item = {"verdict": "item", "sku": "no such"}
    answer = client.post(f"/api/sightings/{shown.id}/verdict", json=item, headers=headers)
    assert answer.status_code == 422
    assert "no such" in answer.get_json()["detail"]


def test_visitors_and_other_sites_judge_nothing(
    client: FlaskClient, headers: dict[str, str], device: StandInDevice
) -> None:
    shown = device.show(Verdict.MATCH, [(CUP, 0.9)])
    path, right = f"/api/sightings/{shown.id}/verdict", {"verdict": "right"}
    assert client.post(path, json=right).status_code == 403  # without the token
    elsewhere = headers | {"Origin": "http://elsewhere.example"}
    assert client.post(path, json=right, headers=elsewhere).status_code == 403
    assert create_app(device).test_client().post(path, json=right).status_code == 401
    assert device.judged == []
