"""Teaching by the API of a running device: views, name, found on the next look."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from catalog.core.errors import DiskFullError
from edge.taught.store import TaughtStore
from edge.taught.taught import Taught
from edge.web.app import create_app
from edge.web.staff import teach
from edge.web.staff.access import TOKEN_HEADER
from edge.web.staff.pin import StaffPin
from tests.conftest import THINGS
from tests.edge.appliance.test_appliance import until
from tests.edge.web.test_openapi import check
from tests.support.stopwatch import Stopwatch
from tests.support.taught_device import PIN, TaughtDevice, taught_device
from tests.support.web_stand_in import StandInDevice

NEW = THINGS + 3  # a thing that the catalogue does not hold
LESSON, TAUGHT = "/api/staff/teaching", "/api/staff/taught"
FOUND_S = 3.0


@pytest.fixture
def device(small_bundle: Path, tmp_path: Path) -> Iterator[TaughtDevice]:
    with taught_device(small_bundle, tmp_path / "state") as device:
        yield device


def shown(device: TaughtDevice) -> str:
    """The sku that the device names now; empty where it names none."""
    sighting = device.ask("GET", "/api/latest")["sighting"]
    return str(sighting["matches"][0]["sku"]) if sighting and sighting["matches"] else ""


def take_views(device: TaughtDevice, thing: int, count: int = 3) -> dict[str, Any]:
    """Teach a thing up to its name; gives the last state."""
    device.ask("POST", LESSON)
    state: dict[str, Any] = {}
    for side in range(count):
        device.hand.show(thing, side)
        state = until(partial(_lesson, device, side + 1))
        check(state, LESSON)
    return state


def _lesson(device: TaughtDevice, views: int) -> dict[str, Any] | None:
    state: dict[str, Any] = device.ask("GET", LESSON)
    return state if len(state["views"]) >= views else None


def test_a_taught_thing_is_found_at_most_three_seconds_after_the_last_view(
    device: TaughtDevice,
) -> None:
    state = take_views(device, NEW)
    assert state["stage"] == "done"
    assert state["frame"] == {"width": 240, "height": 240}
    with Stopwatch() as finding:
        saved = device.ask("POST", TAUGHT, json={"title": "Blots", "location": "Window"})
        sku = saved["item"]["sku"]
        until(lambda: shown(device) == sku)
    assert finding.seconds < FOUND_S
    device.hand.show(2)
    until(lambda: shown(device) == "thing-02")
    device.hand.show(NEW, 1)
    until(lambda: shown(device) == sku)
    match = device.ask("GET", "/api/latest")["sighting"]["matches"][0]
    assert match["location"] == "Window"
    assert device.client.get(match["photo"]).content.startswith(b"\xff\xd8")
    whole = device.ask("GET", f"/api/items/{sku}")
    assert len(whole["photos"]) == 3
    assert device.ask("GET", "/api/items?q=blots")["items"][0]["sku"] == sku


def test_what_was_taught_is_listed_and_can_be_removed(device: TaughtDevice) -> None:
    take_views(device, NEW, 2)
    sku = device.ask("POST", TAUGHT, json={"title": "Blots"})["item"]["sku"]
    found = device.ask("GET", TAUGHT)
    check(found, TAUGHT)
    (item,) = found["items"]
    assert item["is_new"]
    first, second = item["photos"]
    assert device.client.get(f"/api/staff/photos/{first['id']}").content[:2] == b"\xff\xd8"
    (left,) = device.ask("DELETE", f"/api/staff/photos/{first['id']}")["items"]
    assert left["photos"] == [second]
    until(lambda: shown(device) == sku)
    assert device.ask("DELETE", f"{TAUGHT}/{sku}") == {"items": []}
    until(lambda: shown(device) != sku)
    assert device.client.get(f"/api/items/{sku}").status_code == 404


def test_a_taught_item_is_corrected_and_another_of_its_name_is_asked_for(
    device: TaughtDevice,
) -> None:
    take_views(device, NEW, 1)
    wish = {"title": "Blots", "price": "3 €", "gtin": "4006381333931"}
    sku = device.ask("POST", TAUGHT, json=wish)["item"]["sku"]
    right = {"title": "Dots", "sku": "D-1", "location": "Window"}
    found = device.ask("PUT", f"{TAUGHT}/{sku}", json=right)
    check(found, f"{TAUGHT}/{{sku}}", "put")
    (changed,) = found["items"]
    kept = {"price": "", "url": "", "attributes": {"gtin": "4006381333931"}}
    assert changed["item"] == right | kept
    until(lambda: shown(device) == "D-1")
    assert device.ask("GET", "/api/items?q=window")["items"][0]["title"] == "Dots"
    assert device.client.get(f"/api/items/{sku}").status_code == 404
    for path, wrong, status, sentence in (
        ("D-1", {"title": "Dots", "sku": "thing-04"}, 400, "Another item has the number {sku} "),
        ("D-1", {"title": " "}, 400, "Give the thing a name."),
        ("D-1", {"title": "x", "sku": "a/b"}, 400, "A number (SKU) has at most {most} "),
        ("D-1", {"title": "x" * 201}, 400, "A text has at most {most} "),
        (sku, {"title": "Blots"}, 404, "No taught item has the number {sku}."),
    ):
        refused = device.client.put(f"{TAUGHT}/{path}", json=wrong)
        assert refused.status_code == status, wrong
        assert refused.json()["words"]["sentence"].startswith(sentence), wrong
    for path, wrong, status in (
        ("D-1", {"title": "x", "gtin": "1"}, 400),
        ("D-1", {"title": "x", "another": "yes"}, 400),
        ("D-1", {"title": "THING 04"}, 409),
        ("thing-04", {"title": "Blots"}, 404),
    ):
        assert device.client.put(f"{TAUGHT}/{path}", json=wrong).status_code == status, wrong
    assert device.ask("GET", TAUGHT) == found
    take_views(device, NEW + 1, 1)
    refused = device.client.post(TAUGHT, json={"title": " dots "})
    assert refused.status_code == 409
    assert refused.json()["words"]["values"] == {"title": "Dots", "sku": "D-1"}
    assert device.ask("GET", LESSON)["teaching"], "nothing is lost"
    device.ask("POST", TAUGHT, json={"title": "dots", "another": True})
    assert [item["item"]["title"] for item in device.ask("GET", TAUGHT)["items"]] == [
        "dots",
        "Dots",
    ]
    headers = {TOKEN_HEADER: "another session's"}
    forged = device.client.put(f"{TAUGHT}/D-1", json={"title": "x"}, headers=headers)
    assert forged.status_code == 403


def test_views_can_be_looked_at_and_dropped(device: TaughtDevice) -> None:
    (view,) = take_views(device, NEW, 1)["views"]
    path = f"{LESSON}/views/{view['id']}"
    assert device.client.get(path).content.startswith(b"\xff\xd8")
    assert device.ask("DELETE", path)["views"] == []
    for method in ("GET", "DELETE"):
        assert device.client.request(method, path).status_code == 404
    assert device.ask("POST", f"{LESSON}/more")["takes_more"]
    assert device.ask("DELETE", LESSON)["teaching"] is False
    assert device.client.post(f"{LESSON}/more").status_code == 409
    assert device.client.post(TAUGHT, json={"title": "Blots"}).status_code == 400


@pytest.mark.parametrize(
    "wish", [{}, {"title": 7}, {"title": "x", "shelf": "y"}, {"sku": "absent"}, {"title": "\0"}]
)
def test_a_wrong_wish_is_answered_with_what_to_do(
    device: TaughtDevice, wish: dict[str, object]
) -> None:
    answer = device.client.post(TAUGHT, json=wish)
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(".")


def test_further_views_of_an_item_of_the_catalogue(device: TaughtDevice) -> None:
    take_views(device, NEW)
    assert device.ask("POST", TAUGHT, json={"sku": "thing-04"})["item"]["sku"] == "thing-04"
    assert not device.ask("GET", TAUGHT)["items"][0]["is_new"]
    for path in (f"{TAUGHT}/absent", "/api/staff/photos/999999", "/api/staff/photos/99999999999"):
        assert device.client.delete(path).status_code == 404


def test_exactly_the_views_that_a_request_names_are_saved(device: TaughtDevice) -> None:
    state = take_views(device, NEW)
    first, _, last = (view["id"] for view in state["views"])
    gone = device.client.post(TAUGHT, json={"title": "Blots", "views": [first, 999_999]})
    assert gone.status_code == 409
    assert device.ask("GET", LESSON)["teaching"]
    nonsense = device.client.post(TAUGHT, json={"title": "Blots", "views": ["1"]})
    assert nonsense.status_code == 400
    device.ask("POST", TAUGHT, json={"title": "Blots", "views": [first, last]})
    (item,) = device.ask("GET", TAUGHT)["items"]
    assert len(item["photos"]) == 2
    again = device.client.post(TAUGHT, json={"title": "Blots", "views": [first, last]})
    assert again.status_code == 409


def test_a_second_request_while_the_first_is_saved_teaches_nothing(
    device: TaughtDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_views(device, NEW, 1)
    taught = device.appliance.taught
    assert taught is not None
    keep, answers = taught._keep, []
    seconds: list[threading.Thread] = []

    def ask() -> None:
        answers.append(device.client.post(TAUGHT, json={"title": "Blots"}).status_code)

    def slow_keep(*given: Any) -> None:
        if not seconds:
            seconds.append(threading.Thread(target=ask))
            seconds[0].start()
            seconds[0].join(0.3)  # long enough to be answered, if it did not wait
        keep(*given)

    monkeypatch.setattr(taught, "_keep", slow_keep)
    ask()
    seconds[0].join()
    assert sorted(answers) == [200, 400]
    assert len(device.ask("GET", TAUGHT)["items"]) == 1


def test_a_corrected_answer_becomes_a_photo_until_it_is_taken_back(device: TaughtDevice) -> None:
    device.hand.show(NEW)
    sighting = until(partial(_unknown, device))
    path = f"/api/sightings/{sighting}/verdict"
    device.ask("POST", path, json={"verdict": "item", "sku": "thing-05"})
    (item,) = device.ask("GET", TAUGHT)["items"]
    assert (item["item"]["sku"], item["is_new"]) == ("thing-05", False)
    assert [photo["kind"] for photo in item["photos"]] == ["confirmed"]
    device.ask("POST", path, json={"verdict": "item", "sku": "thing-04"})
    (item,) = device.ask("GET", TAUGHT)["items"]
    assert item["item"]["sku"] == "thing-04"
    device.ask("POST", path, json={"verdict": "right"})  # it is none of ours
    assert device.ask("GET", TAUGHT)["items"] == []


def _unknown(device: TaughtDevice) -> str:
    """The newest sighting's id, where it is of an unknown thing and has a look."""
    sighting = device.ask("GET", "/api/latest")["sighting"]
    is_unknown = sighting and sighting["verdict"] == "unknown" and sighting["look"]
    return str(sighting["id"]) if is_unknown else ""


def test_one_export_is_written_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused meanwhile, and the next one is made, also after one that failed."""
    StaffPin(tmp_path).set(PIN, replace=True)
    device = StandInDevice(taught=Taught(tmp_path))
    client = create_app(device, state_folder=tmp_path).test_client()
    client.post("/api/staff/session", json={"pin": PIN})
    path, meanwhile = "/api/staff/export.zip", []

    def full(store: TaughtStore) -> None:
        meanwhile.append(client.get(path).status_code)
        raise DiskFullError("there is too little room on the disk; make some")

    with monkeypatch.context() as patched:
        patched.setattr(teach, "export_file", full)
        refused = client.get(path)
    assert meanwhile == [503]
    assert refused.status_code == 503
    assert "make some" in refused.get_json()["detail"]
    assert client.get(path).status_code == 200
