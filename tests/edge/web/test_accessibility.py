"""Nothing on the visitors' pages breaks a rule of axe-core, in the light and in the dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import violations
from tests.support.browsing import (
    CHROMIUM,
    FIRST_WORDS,
    KIOSK,
    PHONE,
    STATES,
    press_on,
    visiting,
)
from tests.support.web_stand_in import StandInDevice, serving, show_state

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def test_every_state_of_the_page(page: Page, device: StandInDevice) -> None:
    for state in STATES:
        show_state(device, state)
        expect(page.locator("#panel > *")).to_contain_text(FIRST_WORDS[state])
        assert violations(page) == [], state


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
    with serving(device) as address, visiting(browser, f"{address}plain", PHONE) as page:
        expect(page.get_by_text("Blue stoneware cup")).to_be_visible()
        # Without a script nothing else can renew it.
        assert violations(page, but="meta-refresh") == []
