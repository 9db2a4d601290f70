"""Staff say in a real Chromium what the answers of a running device should have been."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from catalog.recognition.decision import Verdict
from edge.appliance.judgements import FILE
from edge.sighting import Candidate
from tests.edge.appliance.test_appliance import until
from tests.edge.web.staff.test_staff_page import device, enter, page
from tests.support.browsing import press_on
from tests.support.taught_device import TaughtDevice
from tests.support.web_stand_in import CUP, GEAR, StandInDevice

__all__ = ["device", "page"]  # fixtures

pytestmark = pytest.mark.slow

ROOM_ABOVE_FIELD = """(row) => row.querySelector("input").getBoundingClientRect().top
  - row.querySelector("img").getBoundingClientRect().bottom"""
FIRST = 10  # sightings that the history begins with


def seen(device: TaughtDevice, thing: int) -> str:
    """Hold a thing before the camera; gives the id of the sighting that names it."""
    device.hand.show(thing)

    def named() -> str:
        sighting = device.ask("GET", "/api/latest")["sighting"]
        skus = [match["sku"] for match in sighting["matches"]] if sighting else []
        return str(sighting["id"]) if skus[:1] == [f"thing-0{thing}"] else ""

    return str(until(named))


def guess(device: TaughtDevice, *skus: str) -> str:
    """Let the device guess these items; gives the sighting's id."""
    items = [device.appliance.catalogue.item(sku) for sku in skus]
    guesses = tuple(Candidate(item, None, 0.5, 0.2) for item in items if item is not None)
    sighting = StandInDevice().sighting(Verdict.PERHAPS, [(GEAR, 0.5)])
    device.appliance.latest.publish(replace(sighting, guesses=guesses), leads=False)
    return sighting.id


def judgements(device: TaughtDevice) -> dict[str, tuple[str, str | None]]:
    """What staff said, and the item, by the sighting's id."""
    with closing(sqlite3.connect(device.folder / FILE)) as database:
        rows = database.execute("select sighting, verdict, sku from judgements")
        return {sighting: (verdict, sku) for sighting, verdict, sku in rows}


def test_the_last_answers_are_judged_by_a_touch_a_name_and_a_code(
    device: TaughtDevice, page: Page
) -> None:
    ids = [seen(device, thing) for thing in range(3)]
    guessed = guess(device, "thing-03", "thing-04")
    page.goto(f"{device.url}/staff")
    enter(page, device)
    rows = page.locator("#looks-list > li")
    first, second, third = (rows.filter(has_text=f"thing 0{thing}") for thing in range(3))
    first.get_by_role("button", name="Right").click()
    expect(first.get_by_role("status")).to_have_text("Right.")
    expect(first.get_by_role("button")).to_have_text(["Change"])
    expect(first.get_by_role("button")).to_be_focused()
    first.get_by_role("button").click()
    expect(first.get_by_role("button", name="Right")).to_be_focused()
    page.keyboard.press("Enter")
    expect(first.get_by_role("button")).to_have_text(["Change"])
    second.get_by_role("button", name="Not ours").click()
    expect(second.get_by_role("status")).to_have_text("Not ours.")
    third.get_by_role("button", name="No: another").click()
    expect(third.get_by_text("Or hold its code before the camera.")).to_be_visible()
    assert third.evaluate(ROOM_ABOVE_FIELD) >= 16, "a ring is around the field"
    device.hand.show_code("thing-05")
    expect(third.get_by_text("Read from its code:")).to_be_visible()
    third.get_by_role("button", name="thing 05").click()
    expect(third.get_by_text("It is thing 05.")).to_be_visible()
    fourth = rows.filter(has_text="Perhaps one of these: thing 03; thing 04")
    expect(fourth.get_by_role("button", name="No: another")).to_be_visible()
    fourth.get_by_role("button", name="Right: thing 04").click()
    expect(fourth.get_by_text("It is thing 04.")).to_be_visible()
    page.reload()
    enter(page, device)
    expect(third.get_by_text("It is thing 05.")).to_be_visible()
    expect(third.get_by_role("button")).to_have_text(["Change"])
    page.set_viewport_size({"width": 600, "height": 1024})
    assert third.evaluate("(row) => row.offsetHeight") < 120, "its button stands beside its words"
    entry = page.locator("#history-list > li").filter(has_text="It is thing 05.")
    expect(entry.get_by_role("button", name="Change")).to_be_visible()
    assert judgements(device) == {
        ids[0]: ("right", None),
        ids[1]: ("foreign", None),
        ids[2]: ("item", "thing-05"),
        guessed: ("item", "thing-04"),
    }


def test_an_answer_of_the_history_is_judged_with_the_keyboard_alone(
    device: TaughtDevice, page: Page
) -> None:
    stand_in = StandInDevice()
    older = [stand_in.sighting(Verdict.MATCH, [(GEAR, 0.9)]) for _ in range(FIRST)]
    old = stand_in.sighting(Verdict.MATCH, [(CUP, 0.9)])
    recorder = device.appliance.history
    assert recorder is not None
    for sighting in older:
        recorder.sighting(sighting, "network", None)
    recorder.sighting(old, "network", None)
    assert recorder.flush(60)
    page.goto(f"{device.url}/staff")
    enter(page, device)
    rows = page.locator("#history-list > li")
    expect(rows).to_have_count(FIRST)
    row = rows.filter(has_text="Blue stoneware cup")
    press_on(page, row.get_by_role("button", name="Was it right?"))
    expect(row.get_by_role("button", name="Right", exact=True)).to_be_focused()
    press_on(page, row.get_by_role("button", name="No: another"))
    expect(row.get_by_label("Name of the item")).to_be_focused()
    seen_now: dict[str, object] = {
        "sighting": {"code": None, "matches": [], "unknown_gtin": "4006381333931"}
    }
    page.route("**/api/latest", lambda route: route.fulfill(json=seen_now))
    expect(row.get_by_text("sees now, 4006381333931, belongs to no item.")).to_be_visible()
    page.keyboard.type("thing 04")
    expect(row.get_by_text("Or hold its code before the camera.")).to_be_visible()
    press_on(page, row.get_by_role("button", name="thing 04"))
    expect(row.get_by_text("It is thing 04.")).to_be_visible()
    assert judgements(device) == {old.id: ("item", "thing-04")}
    page.locator("#history-more").click()
    expect(rows.nth(FIRST)).to_be_visible()
