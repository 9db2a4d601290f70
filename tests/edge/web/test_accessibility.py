"""Nothing on the visitors' pages breaks a rule of axe-core, in the light and in the dark."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.accessibility import violations
from tests.support.browsing import (
    CHROMIUM,
    KIOSK,
    PHONE,
    press_on,
    visiting,
)
from tests.support.page_states import PAGE_STATES, walk
from tests.support.web_stand_in import StandInDevice, serving, show_state

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def test_every_state_of_the_page(browser: Browser, device: StandInDevice) -> None:
    walked = []
    with contextlib.ExitStack() as served:
        address = served.enter_context(serving(device))
        with visiting(browser, "about:blank", KIOSK, server_may_be_away=True) as page:

            def check(state: str) -> None:
                assert violations(page) == [], state
                walked.append(state)

            walk(page, address, device, check, served.close)
    assert walked == list(PAGE_STATES)


def test_search_item_and_offer_with_the_keyboard_alone(browser: Browser) -> None:
    """The page is in Arabic, so it lies from right to left."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, f"{address}?lang=ar", KIOSK) as page:
        show_state(device, "match")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("e")
        expect(page.locator(".found .row")).to_have_count(7)
        assert violations(page) == []
        press_on(page, page.locator(".found .row").nth(2))
        press_on(page, page.locator(".choose-photo").last)
        press_on(page, page.locator(".item .similar-item").first)
        expect(page.locator(".item .title")).to_have_text("Blue stoneware cup")
        show_state(device, "one_of")
        expect(page.locator("#offer")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.locator(".choice .card")).to_have_count(3)


def test_plain_page(browser: Browser) -> None:
    device = StandInDevice()
    show_state(device, "match")
    loaded: list[str] = []

    def load_once(route: Route) -> None:
        """It stays as it is: a page that loads itself anew cannot be looked through."""
        if loaded:
            route.fulfill(status=204)
        else:
            loaded.append(route.request.url)
            route.continue_()

    with serving(device) as address, visiting(browser, "about:blank", PHONE) as page:
        page.route(f"{address}plain", load_once)
        page.goto(f"{address}plain", wait_until="domcontentloaded")
        expect(page.get_by_text("Blue stoneware cup")).to_be_visible()
        # Without a script nothing else can renew it.
        assert violations(page, but="meta-refresh") == []
