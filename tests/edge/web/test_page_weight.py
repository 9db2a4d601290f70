"""The first load of a page is small, and asks no other host for anything."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browsing import CHROMIUM, PHONE, visiting
from tests.support.web_stand_in import StandInDevice, serving, show_state

MOST_BYTES = 90_000  # without photos
PHOTOS = ("/camera.jpg", "/photos/", "/look.jpg")
LOADED = """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .map((each) => [each.name, each.encodedBodySize])"""
LATE = """() => ["address.js", "attract.js"].every((name) =>
  performance.getEntriesByType("resource").some((each) => each.name.endsWith(`/static/${name}`)))"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


@pytest.mark.parametrize("path", ["", "?lang=ja", "?lang=ar", "staff"])
def test_the_first_load_is_small(browser: Browser, path: str) -> None:
    device = StandInDevice()
    show_state(device, "match")
    with serving(device) as address, visiting(browser, address + path, PHONE) as page:
        shown = page.locator("#enter" if path == "staff" else ".match .price")
        expect(shown).to_be_visible()
        if path != "staff":
            page.wait_for_function(LATE)  # modules of the own screen, which load by themselves
        loaded = dict(page.evaluate(LOADED))
    assert all(name.startswith(address) for name in loaded)
    sizes = {name: size for name, size in loaded.items() if not any(map(name.__contains__, PHOTOS))}
    assert len(sizes) > 5
    assert sum(sizes.values()) <= MOST_BYTES, sizes
