"""A script that is not needed at once may not come: the visitor is told, and can try again."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from catalog.core.state import Fetching, SyncState
from catalog.recognition.decision import Verdict
from edge.appliance.waiting import waiting_for
from edge.web.app import create_app
from tests.support.browsing import CHROMIUM, KIOSK, SECONDS, visiting
from tests.support.first_load import STATIC, first_load
from tests.support.web_stand_in import CUP, LONG_TITLE, StandInDevice, draw_look, serving

LIMIT = 10 * SECONDS  # of late.js
COUNT_STATES = """window.states = 0;
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, act) {
  return listen.call(this, kind, (event) => {
    if (kind === "state") window.states += 1;
    act(event);
  });
};"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def try_again(page: Page) -> None:
    """The sentence is there; touch its button."""
    expect(page.locator(".sentence")).to_contain_text("The device does not answer.")
    page.get_by_role("button", name="Try again").click()


def hang(route: Route) -> None:
    """Never answer."""


def test_a_script_that_fails_or_hangs_is_told_and_asked_for_again(
    browser: Browser, device: StandInDevice
) -> None:
    """A failed and a hanging import block none of those that follow."""
    photo = FilePayload(name="cup.jpg", mimeType="image/jpeg", buffer=draw_look(CUP))
    with (
        serving(device) as address,
        visiting(browser, address, KIOSK, server_may_be_away=True) as page,
    ):
        page.route("**/ends.js*", lambda route: route.abort())  # a cut name has no end
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        page.get_by_role("button", name="Open Blue stoneware cup").wait_for()
        page.clock.install()
        page.route("**/item.js*", lambda route: route.abort())
        page.get_by_role("button", name="Open Blue stoneware cup").click()
        expect(page.locator("#result-words")).to_have_text("No result")
        page.unroute("**/item.js*")
        page.route("**/item.js*", hang)
        with page.expect_request("**/item.js*"):
            try_again(page)
        expect(page.locator(".sentence")).to_have_text("Looking…")
        page.clock.fast_forward(LIMIT)
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        page.unroute("**/item.js*")
        try_again(page)
        expect(page.locator(".item .title")).to_have_text("Blue stoneware cup")
        page.route("**/photo-box.js*", hang)
        with page.expect_request("**/photo-box.js*"):
            page.locator("#photo").set_input_files(photo)
        expect(page.locator("#result-words")).to_have_text("Your photo")
        expect(page.locator(".match .title")).to_have_text("Blue stoneware cup")
        page.clock.fast_forward(LIMIT)
        page.unroute("**/photo-box.js*")
        page.locator("#photo").set_input_files(photo)
        expect(page.locator(".photo-part")).to_be_visible()
        page.route("**/api/items?*", hang)
        with page.expect_request("**/api/items?*"):
            page.get_by_label("Search by name").fill("stainless")
        expect(page.locator(".sentence")).to_have_text("Looking…")
        page.clock.fast_forward(LIMIT)
        page.unroute("**/api/items?*")
        try_again(page)
        expect(page.locator(".item .title")).to_have_text(LONG_TITLE)
        assert page.locator(".item .title").evaluate("(e) => e.scrollHeight > e.clientHeight + 1")
        expect(page.locator(".whole-name")).to_be_visible()


def test_a_script_that_fails_or_hangs_holds_no_other_one_back() -> None:
    """Nothing that comes late is imported: what one hangs on would be asked for never again."""
    loaded = first_load(create_app(StandInDevice()).test_client().get("/").text)
    scripts = {script.name: script.read_text("utf-8") for script in STATIC.glob("*.js")}
    every = "".join(scripts[name] for name in scripts if not name.startswith("staff"))
    late = {*re.findall(r'(?:late|sometime)\("([\w-]+\.js)"', every)} - loaded.keys()
    assert {"item.js", "search.js", "late-styles.js", "welcome.js"} <= late
    for name in late:
        imported = re.findall(r'^(?:import|\} from).*"\./([\w.-]+)";$', scripts[name], re.M)
        assert {*imported} <= loaded.keys(), name


def test_states_are_heard_however_fast_they_follow_each_other(
    browser: Browser, device: StandInDevice
) -> None:
    """Each waits for a script that hangs, and the next one comes before it has waited enough."""
    with serving(device) as address, visiting(browser, "about:blank", KIOSK) as page:
        page.add_init_script(COUNT_STATES)
        page.goto(address, wait_until="domcontentloaded")
        expect(page.locator("#picture")).to_be_visible()
        page.clock.install()
        page.route("**/progress.js*", hang)
        device.opened = None
        for percent in range(30):
            at = datetime.now(UTC)
            device.waiting = waiting_for(
                SyncState(fetching=Fetching(bytes=percent, total=100, at=at)), "", "", at
            )
            heard = page.evaluate("states")
            device.go_online()
            page.wait_for_function(f"() => states > {heard}")
            page.clock.fast_forward(SECONDS // 2)
            if "Nothing can be found" in page.locator("#panel").inner_text():
                break
        assert "Nothing can be found" in page.locator("#panel").inner_text()
