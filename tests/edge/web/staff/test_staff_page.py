"""The staff's page in a real Chromium, with a running device: from the PIN to a taught thing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from edge.web.staff.pin import HASH_FILE
from tests.edge.appliance.test_appliance import until
from tests.support.accessibility import violations
from tests.support.browsing import SECONDS, SMALL, press_on, tab_to, within
from tests.support.lessons import NEW
from tests.support.page_faults import faults
from tests.support.taught_device import PIN, TaughtDevice, taught_device

PHONE = {"width": 390, "height": 844}
MS = 60_000  # for events that come much sooner
BUNDLE = "20261201T120000Z-0123456789ab"  # a catalogue's id
AWAY = {"detail": "The device is away."}
DANGER = ("rgb(163, 38, 27)", "rgb(255, 157, 144)")  # light and dark
# What tells of the shop and its visitors, wherever it stands.
SHOWN = (
    "main li, #settings-fields > *, .log:not(:empty), main img[src*=staff], #history-table[href]"
)
# Whether the camera's last picture is gone: all is black, or nothing.
BLANK = """() => {
  const canvas = document.querySelector("#picture");
  const copy = document.createElement("canvas").getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, 150, 150);
  return getComputedStyle(canvas).visibility === "hidden" && new Set(data).size < 3;
}"""
# Whether the corners are drawn around a thing that fills the camera's picture, within its edge.
CORNER = """() => {
  const canvas = document.querySelector("#picture");
  const copy = document.createElement("canvas").getContext("2d");
  copy.drawImage(canvas, canvas.width / 100, canvas.width / 100, 1, 1, 0, 0, 1, 1);
  const [red, green, blue] = copy.getImageData(0, 0, 1, 1).data;
  return red < 80 && Math.abs(green - 138) < 30 && Math.abs(blue - 127) < 30;
}"""

# The pixels between the words that say what to do now and the name's field.
BELOW_STEP = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector("#step"));
  return document.querySelector(".naming").getBoundingClientRect().top
    - range.getBoundingClientRect().bottom;
}"""
# How wide the buttons of a lesson are.
WIDTHS = """() => [...new Set([...document.querySelectorAll(".lesson .button")]
  .filter((button) => button.checkVisibility()).map((button) => button.offsetWidth))]"""
# Resolves when what a script has just been told is drawn.
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"

pytestmark = pytest.mark.slow


@pytest.fixture
def device(small_bundle: Path, tmp_path: Path) -> Iterator[TaughtDevice]:
    with taught_device(small_bundle, tmp_path / "state") as device:
        yield device


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new visitor's page on a phone; its console must have no errors or warnings."""
    complaints: list[str] = []
    page = browser.new_page(viewport=PHONE, has_touch=True)  # type: ignore[arg-type]
    page.set_default_timeout(MS)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert [text for text in complaints if "status of 40" not in text] == []


def enter(page: Page, device: TaughtDevice, pin: str = PIN) -> None:
    page.get_by_label("PIN").fill(pin)
    page.get_by_role("button", name="Go on").click()


def filled(route: Route) -> None:
    """Answer with the camera's picture as if a thing filled it."""
    answer = route.fetch()
    route.fulfill(response=answer, headers=answer.headers | {"x-thing": "0 0 1 1 known"})


def until_held(page: Page, asked: list[Route], count: int) -> None:
    """Wait until so many requests wait for the test."""
    while len(asked) < count:
        page.wait_for_timeout(20)


def named(device: TaughtDevice) -> list[str]:
    """The sku that the newest answer names first; none where it names nothing."""
    sighting = device.ask("GET", "/api/latest")["sighting"] or {}
    return [match["sku"] for match in sighting.get("matches", [])[:1]]


def test_a_thing_is_taught_on_a_phone_and_removed_again(device: TaughtDevice, page: Page) -> None:
    device.hand.show(NEW)
    page.goto(f"{device.url}/staff")
    enter(page, device, "771350")
    expect(page.get_by_role("alert").filter(has_text="not the PIN")).to_be_visible()
    assert violations(page) == []
    enter(page, device)
    expect(page.get_by_text("sends pictures")).to_be_visible()
    page.get_by_role("button", name="Begin").click()
    views = page.get_by_role("list", name="The views").get_by_role("listitem")
    for side in range(3):
        device.hand.show(NEW, side)
        expect(views).to_have_count(side + 1)
    save = page.get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    step = page.locator("#step")
    assert step.evaluate("(step) => getComputedStyle(step).minHeight") in ("0px", "auto")
    assert page.evaluate(WIDTHS) == [PHONE["width"] - 66], "as wide as the card within its edge"
    assert violations(page) == []
    page.route("**/camera.jpg?*", filled)
    page.wait_for_function(CORNER)
    page.unroute_all(behavior="wait")
    asked: list[Route] = []
    page.route("**/api/staff/teaching", lambda route: asked.append(route))
    until_held(page, asked, 1)
    before = asked[0].fetch()
    page.get_by_role("button", name="Drop view 2").click()
    expect(views).to_have_count(2)
    asked[0].fulfill(response=before)
    until_held(page, asked, 2)
    assert views.count() == 2, "the state before does not come back"
    page.unroute("**/api/staff/teaching")  # which lets the waiting one go on
    underway: list[Route] = []
    page.route("**/api/items?*", lambda route: underway.append(route))
    with page.expect_request("**/api/items?*"):
        page.get_by_label("Its name").fill("thing")
    page.locator("#price").evaluate("(field) => { field.value = '7'; }")
    page.locator("#price").dispatch_event("input")
    expect(page.locator("#price-note")).to_contain_text("see this price without a currency")
    page.locator("#price").evaluate("(field) => { field.value = ''; }")
    page.locator("#price").dispatch_event("input")
    expect(page.locator("#price-note")).to_be_empty()
    save.hover()
    page.mouse.down()
    with page.expect_response("**/api/items?*"):
        underway[0].continue_()
    page.evaluate(DRAWN)
    page.mouse.up()  # on it still: no item that was found moved it
    page.unroute("**/api/items?*")
    saved = page.locator("#taught-items li")
    expect(saved.get_by_role("heading", name="thing")).to_be_visible()
    expect(page.get_by_text("Saved: “thing”. Show it once more")).to_be_focused()
    saved.get_by_role("button", name="Change thing").click()
    name = saved.get_by_label("Its name")
    expect(name).to_be_focused()
    name.fill("thing 01")
    name.press("Enter")
    expect(saved.get_by_role("alert")).to_contain_text("already “thing 01”")
    expect(saved.get_by_role("button", name="Save as another")).to_be_visible()
    assert violations(page) == []
    assert faults(page) == []
    name.fill("Blots & <b>dots</b>")
    saved.get_by_label("Price").fill("3 €")
    saved.get_by_role("button", name="Save").click()
    undo = saved.get_by_role("button", name="Undo the change")
    expect(undo).to_be_focused()
    expect(saved.get_by_role("heading", name="Blots & <b>dots</b>")).to_be_visible()
    expect(saved).to_contain_text("3 €")
    undo.click()
    expect(saved.get_by_role("heading", name="thing")).to_be_visible()
    expect(saved).not_to_contain_text("3 €")
    saved.get_by_role("button", name="Change thing").click()
    saved.get_by_label("Price").fill(" 5,50 ")
    expect(saved.locator("[id$=price-note]")).to_contain_text("see this price without a currency")
    saved.get_by_label("Price").fill("5 €")
    expect(saved.locator("[id$=price-note]")).to_be_empty()
    saved.get_by_label("Price").press("Enter")
    expect(undo).to_be_focused()
    taught = f"/api/staff/taught/{saved.get_attribute('data-sku')}"
    device.ask("PUT", taught, json={"title": "thing", "price": "4 €"})  # on another phone
    undo.click()
    expect(saved.get_by_role("status")).to_contain_text("Nothing was undone.")
    expect(saved).to_contain_text("4 €")
    expect(undo).to_have_count(0)
    device.hand.show(1)
    until(lambda: named(device) == ["thing-01"])
    device.hand.show(NEW)
    expect(page.locator("#teach-done")).to_have_text("Saved: “thing”. Seen again: recognised.")
    assert violations(page) == []
    assert faults(page) == []
    page.locator("#looks-renew").click()
    removed: list[Request] = []
    page.on("request", lambda asked: removed.append(asked) if asked.method == "DELETE" else None)
    page.route("**/api/staff/taught", lambda route: asked.append(route))
    asked.clear()
    page.get_by_role("button", name="Not ours").first.click()  # which renews the list
    until_held(page, asked, 1)
    remove = saved.get_by_role("button", name="Remove")
    remove.dblclick()  # one tap that trembled; it removes nothing
    expect(remove).to_have_text("Remove for good")
    assert remove.evaluate("(shown) => getComputedStyle(shown).backgroundColor") in DANGER
    remove.click()
    page.evaluate(DRAWN)
    assert removed == [], "else the late answer would bring the item back"
    page.unroute("**/api/staff/taught")  # which lets the waiting one go on
    expect(saved).to_have_count(0)
    expect(page.locator(SHOWN).first).to_be_attached()
    page.route("**/api/staff/session", lambda _: None)  # the device does not answer
    page.get_by_role("button", name="Sign out").dblclick()
    expect(page.get_by_label("PIN")).to_be_visible(timeout=within(10))
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.locator("#teach")).to_be_hidden()
    expect(page.locator(SHOWN)).to_have_count(0)
    assert page.evaluate(BLANK)


def test_a_lesson_says_when_it_goes_on_and_when_it_has_ended(
    device: TaughtDevice, page: Page
) -> None:
    page.goto(f"{device.url}/staff")
    enter(page, device)
    page.get_by_role("button", name="Begin").click()
    lost = page.locator("#teach").get_by_role("alert")
    page.route("**/api/staff/teaching", lambda route: route.fulfill(status=404, json=AWAY))
    expect(lost).to_have_text(AWAY["detail"])
    page.unroute("**/api/staff/teaching")
    expect(lost).to_be_hidden()
    page.route("**/camera.jpg?*", lambda _: None)
    expect(page.locator("#step")).to_contain_text("The camera sends no picture")
    device.ask("DELETE", "/api/staff/teaching")  # on another phone
    expect(page.locator("#teach").get_by_role("status")).to_contain_text("The lesson has ended.")
    expect(page.get_by_role("button", name="Begin")).to_be_visible()


def changed_status(route: Route) -> None:
    """Answer with the device's status, in other words."""
    found = route.fetch().json()
    for finding in found["findings"]:
        finding["message"] = f"now with {finding['subject']}"
        if finding["subject"] == "disk":
            finding["remedy"] = (
                f"take {BUNDLE}, not /versions/{BUNDLE}/x.json; it is 61.5 of Eye 2.1"
            )
    route.fulfill(json=found)


def camera_of_the_command_line(route: Route) -> None:
    """Answer with the device's settings as if its command line named the camera."""
    answer = route.fetch()
    found = answer.json()
    for setting in found["settings"]:
        if setting["name"] == "edge.camera":
            setting["fixed_by"] = "--camera"
    route.fulfill(response=answer, json=found)


def test_a_screen_that_staff_leave_is_the_visitors_again(device: TaughtDevice, page: Page) -> None:
    page.clock.install()
    page.goto(f"{device.url}/staff")
    enter(page, device)
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    card = page.locator("#device")
    button = card.get_by_role("button", name="Reopen the camera").element_handle()
    page.route("**/api/staff/status", changed_status)
    page.clock.fast_forward("00:06")
    expect(card).to_contain_text("Now with camera.")
    expect(card).to_contain_text("Now with disk.")
    remedy = card.locator(".remedy", has_text="take")
    expect(remedy).to_contain_text(f", not /versions/{BUNDLE}/x.json;")
    expect(remedy.get_by_title(BUNDLE)).to_have_text(re.compile("Dec.*2026"))
    expect(remedy.locator(".whole")).to_have_text("Eye 2.1.")
    assert button.evaluate("(shown) => shown.isConnected"), "a finger may be on it"
    page.unroute("**/api/staff/status")
    page.clock.fast_forward("04:50")
    page.get_by_role("heading", name="The device").click()
    page.clock.fast_forward("04:50")
    assert page.url.endswith("/staff")
    page.clock.fast_forward("00:20")
    page.wait_for_url(f"{device.url}/")
    page.goto(f"{device.url}/staff")
    expect(page.get_by_label("PIN")).to_be_visible()
    page.clock.fast_forward("01:10")
    page.wait_for_url(f"{device.url}/")
    page.goto(f"{device.url}/staff")
    enter(page, device)
    expect(page.get_by_role("button", name="Begin")).to_be_visible()
    page.locator("#language").select_option("de")
    expect(page.get_by_role("button", name="Beginnen")).to_be_visible()
    page.locator("#brand a").click()
    page.wait_for_url(f"{device.url}/")
    page.goto(f"{device.url}/staff")
    expect(page.get_by_label("PIN")).to_be_visible()
    wrong = page.locator("#enter").get_by_role("alert")
    page.clock.pause_at(page.evaluate("Date.now()") / SECONDS + 30)  # later than it can be by now
    for left in ("wait: 4.", "wait: 3.", "wait: 2.", "wait: 1.", "in 30 seconds."):
        enter(page, device, "771350")
        expect(wrong).to_contain_text(left)
    expect(page.get_by_text(re.compile("^Seconds left: (29|30)$"))).to_be_visible()
    page.clock.fast_forward("00:10")
    expect(page.get_by_text(re.compile("^Seconds left: (19|20)$"))).to_be_visible()
    page.clock.fast_forward("00:21")
    expect(page.locator("#enter-wait")).to_be_hidden()
    expect(wrong).to_be_hidden()


def test_an_item_of_the_catalogue_can_be_chosen_by_its_name_with_the_keyboard_alone(
    device: TaughtDevice, page: Page
) -> None:
    device.hand.show(NEW)
    page.goto(f"{device.url}/staff")
    expect(page.get_by_label("PIN")).to_be_focused()
    page.keyboard.type(f"{PIN}\n")
    press_on(page, page.get_by_role("button", name="Begin"))
    expect(page.locator("#step")).to_be_focused()
    page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
    assert 0 <= page.evaluate(BELOW_STEP) < 16, "no room is kept for a second line"
    tab_to(page, page.get_by_label("Its name"))
    page.keyboard.type("thing 03")
    offer = page.get_by_role("button", name="thing 03 in the catalogue")
    expect(offer).to_be_visible()
    save = page.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("already “thing 03”, with the number")
    expect(save).to_be_hidden()
    answers = page.locator("#naming .actions .button:visible")
    expect(answers).to_have_count(3)
    expect(answers.last).to_be_in_viewport(ratio=1)
    assert len({answer.evaluate("(each) => each.offsetWidth") for answer in answers.all()}) == 1
    press_on(page, offer)
    expect(page.get_by_text("Further views of")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    press_on(page, page.get_by_role("button", name="It is another one"))
    page.keyboard.press("Tab")
    tab_to(page, page.get_by_label("Its name"))
    page.keyboard.press("Enter")
    press_on(page, page.get_by_role("button", name="Add these views to it"))
    expect(page.get_by_role("heading", name="Teach a thing")).to_be_in_viewport()
    taught = page.get_by_text("Further photos of an item of the catalogue.")
    expect(taught).to_be_visible()
    press_on(page, page.get_by_role("button", name="Remove"))
    page.keyboard.press("Enter")
    expect(taught).to_have_count(0)


def test_the_first_pin_is_chosen_on_the_device(
    device: TaughtDevice, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "state" / HASH_FILE).unlink()
    page.goto(f"{device.url.replace('127.0.0.1', 'localhost')}/staff")
    expect(page.get_by_role("heading", name="Choose a PIN")).to_be_visible()
    enter(page, device, "123456")
    expect(page.get_by_role("alert").filter(has_text="easy to guess")).to_be_visible()
    enter(page, device)
    expect(page.get_by_role("heading", name="Teach a thing")).to_be_visible()


def test_settings_are_changed_and_undone_and_the_log_is_read(
    device: TaughtDevice, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "state" / "device.toml"
    file.write_text("[edge]\nforeign_share = 0.12345\n")
    page.goto(f"{device.url}/staff")
    enter(page, device)
    settings = page.locator("#settings")
    settings.get_by_label("The first sentence").fill("Hello")
    settings.get_by_role("button", name="Apply").click()
    expect(settings.get_by_role("status")).to_contain_text("Changed.")
    assert "foreign_share = 0.12345\n" in file.read_text(), "it is shown with fewer digits"
    name = settings.get_by_label(re.compile("^The shop"))
    underway: list[Route] = []
    page.route("**/api/staff/settings", lambda route: underway.append(route))
    settings.get_by_label("The first sentence").fill("Hello!")
    settings.get_by_role("button", name="Apply").click()
    until_held(page, underway, 1)
    name.fill("Corner <shop>")
    with page.expect_response("**/api/staff/settings"):
        underway[0].continue_()
    expect(settings.get_by_role("button", name="Undo")).to_be_visible()
    expect(name).to_have_value("Corner <shop>")
    expect(name).to_be_focused()
    page.unroute("**/api/staff/settings")
    settings.get_by_label("Language").select_option("ja")
    settings.get_by_label(re.compile("colour$")).fill("green")
    settings.get_by_role("button", name="Apply").click()
    expect(settings.get_by_role("alert")).to_contain_text("'green' is not a colour")
    settings.get_by_label(re.compile("colour$")).fill("#123456")
    share = settings.get_by_label("How many of 100 things")
    expect(share).to_have_accessible_description(re.compile("^It can stay as it is"))
    share.fill("95")
    settings.get_by_role("button", name="Apply").click()
    alert = settings.get_by_role("alert")
    expect(alert).to_have_text("How many of 100 things shown are not ours: from 1 to 90.")
    expect(share).to_be_focused()
    share.fill("35")
    settings.get_by_role("button", name="Apply").click()
    expect(settings.get_by_role("status")).to_contain_text("counts when the device starts again")
    settings.get_by_role("button", name="Restart").click()
    settings.get_by_role("button", name="Restart now").click()
    expect(settings.get_by_role("alert")).to_contain_text("Nothing would start this program again")
    page.route("**/api/staff/settings", camera_of_the_command_line)
    page.reload()
    enter(page, device)
    expect(settings.get_by_text("Set by --camera.")).to_be_visible()
    camera = settings.get_by_label("Camera")
    expect(camera).to_be_disabled()
    colours = "(field) => getComputedStyle(field).borderColor"
    assert camera.evaluate(colours) != name.evaluate(colours), "it looks fixed, too"
    page.set_viewport_size({"width": 1024, "height": 600})
    above, below = camera.bounding_box(), name.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] < below["y"], "no field stands beside its note"
    page.unroute("**/api/staff/settings")
    expect(name).to_have_value("Corner <shop>")
    expect(settings.get_by_label("How many of 100 things")).to_have_value("35")
    settings.get_by_role("button", name="Undo").click()
    expect(name).to_have_value("")
    card = page.locator("#device")
    expect(card.get_by_role("figure")).to_contain_text("shop.local:8080")
    expect(card.get_by_role("img", name="QR code of this page")).to_be_visible()
    card.get_by_role("button", name="Reopen the camera").click()
    expect(card.get_by_role("status")).to_have_text("The camera is opened again.")
    go_back = card.get_by_role("button", name="Use the previous catalogue")
    go_back.click()
    card.get_by_role("button", name="Use it now").click()
    expect(card.get_by_role("status")).to_contain_text("a bundle of its own")
    page.get_by_text("The log").click()
    expect(page.locator("#log-lines")).to_contain_text("is opened again")
    history = page.locator("#history")
    seen = history.get_by_role("list").get_by_role("listitem")
    history.get_by_label("Name, number or code").fill("thing 00")
    expect(seen.first).to_contain_text("thing 00")
    history.get_by_label("Name, number or code").fill("nothing like it")
    expect(history.get_by_text("Nothing of that kind was shown.")).to_be_visible()
    history.get_by_role("button", name="Forget all").click()
    history.get_by_role("button", name="Forget all for good").click()
    history.get_by_label("Name, number or code").fill("")
    expect(history.get_by_text("Nothing was shown yet.")).to_be_visible()
    expect(seen).to_have_count(0)
    table, forget = page.locator("#history-table"), page.locator("#history-forget")
    expect(table).to_be_hidden()
    expect(forget).to_be_hidden()
    zone = page.context.new_cdp_session(page)
    zone.send("Emulation.setTimezoneOverride", {"timezoneId": "Pacific/Kiritimati"})
    for days in ("From", "To"):
        history.get_by_label(days).select_option("Yesterday")
    chosen = date.fromisoformat(history.get_by_label("From").input_value())
    # that day where the person is, as the list shows its times, and not the device's
    day = f"since={chosen - timedelta(days=1)}T10%3A00%3A00.000Z&until={chosen}T10%3A00%3A00.000Z"
    expect(table).to_have_attribute("href", re.compile(day))
    expect(forget).to_be_visible()
    expect(history.get_by_text("Nothing of that kind was shown.")).to_be_visible()
