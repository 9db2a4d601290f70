"""A style sheet of a view is loaded again where it could not come, and keeps no view back."""

from __future__ import annotations

from playwright.sync_api import Browser, Route, expect

from catalog.recognition.decision import Verdict
from tests.support.browsing import KIOSK, visiting, within
from tests.support.web_stand_in import CUP, GEAR, StandInDevice, serving


def test_a_sheet_that_did_not_come_is_loaded_by_the_next_opening(
    browser: Browser, device: StandInDevice
) -> None:
    """What is there by then is not asked for any more."""
    asked = []

    def fail_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort()
        else:
            route.continue_()

    with (
        serving(device) as address,
        visiting(browser, address, KIOSK, server_may_be_away=True) as page,
    ):
        page.route("**/cards.js*", lambda route: route.abort())
        page.route("**/item.css*", fail_once)
        page.route("**/scrolling.css*", lambda route: route.abort())
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        placed = []
        for _ in range(3):
            page.get_by_role("button", name="Open Blue stoneware cup").click()
            item = page.locator(".item")
            expect(item).to_be_visible()
            placed.append(item.evaluate("(e) => getComputedStyle(e).alignContent"))
            assert item.evaluate("(e) => (e.scrollTop = 20)") == 20
            assert item.evaluate("(e) => e.scrollTop") == 20  # it can be scrolled without its sheet
            page.get_by_role("button", name="Back to live").click()
        assert placed == ["normal", "start", "start"]
        assert len(asked) == 2
        device.show(Verdict.PERHAPS, [(GEAR, 0.5), (CUP, 0.4)])
        expect(page.locator(".guess .row")).to_have_count(2)  # without their script no cards
        expect(page.locator(".guess .advice")).to_contain_text("search by name")


def test_a_sheet_that_never_comes_keeps_no_old_answer_on_the_screen(
    browser: Browser, device: StandInDevice
) -> None:
    """The next answer is shown without it."""
    with (
        serving(device) as address,
        visiting(browser, address, KIOSK, server_may_be_away=True) as page,
    ):
        page.route("**/cards.css*", lambda _: None)
        device.show(Verdict.MATCH, [(CUP, 0.97)])
        expect(page.locator(".sure")).to_have_text("A clear match")
        device.show(Verdict.ONE_OF, [(GEAR, 0.5), (CUP, 0.4)])
        expect(page.locator(".choice")).to_be_visible(timeout=within(4))
        expect(page.locator(".sure")).to_have_count(0)
