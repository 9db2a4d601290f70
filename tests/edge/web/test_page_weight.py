"""The first load of a page is small, and asks no other host for anything."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from edge.web.branding import Appearance
from edge.web.page_settings import PageSettings
from tests.support.browsing import CHROMIUM, PHONE, visiting
from tests.support.first_load import AT_ONCE, first_load
from tests.support.web_stand_in import StandInDevice, serving, show_state

MOST_BYTES = 90_000  # without photos
PHOTOS = ("/camera.jpg", "/photos/", "/look.jpg")
# What the first answer does not need, a kiosk loads five seconds later.
NOTHING_LATER = """const begin = window.setTimeout;
window.setTimeout = (act, ms, ...given) => (ms === 5000 ? 0 : begin(act, ms, ...given));"""
LOADED = """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .map((each) => [each.name, each.encodedBodySize])"""
ARE_LOADED = """(names) => names.every((name) =>
  performance.getEntriesByType("resource").some((each) => each.name.endsWith(`/static/${name}`)))"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


@pytest.mark.parametrize("path", ["", "?lang=ja", "?lang=ar", "staff"])
def test_the_first_load_is_small(browser: Browser, path: str) -> None:
    """The tests of the languages count the same files, uncompressed."""
    device = StandInDevice()
    show_state(device, "match")
    look = Appearance(PageSettings(dim="22:00-07:00"), kiosk=True)
    with (
        serving(device, appearance=look) as address,
        visiting(browser, "about:blank", PHONE) as page,
    ):
        page.add_init_script(NOTHING_LATER)
        page.goto(address + path, wait_until="domcontentloaded")
        shown = page.locator("#enter" if path == "staff" else ".match .price")
        expect(shown).to_be_visible()
        if path != "staff":
            page.wait_for_function(ARE_LOADED, arg=list(AT_ONCE))
        loaded = dict(page.evaluate(LOADED))
        counted = first_load(httpx.get(address + path, timeout=60).text)
    assert all(name.startswith(address) for name in loaded)
    sizes = {name: size for name, size in loaded.items() if not any(map(name.__contains__, PHOTOS))}
    assert len(sizes) > 5
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    files = {found[1] for name in sizes if (found := re.search(r"/static/(.+\.(?:js|css))", name))}
    assert files <= counted.keys()
    if path != "staff":
        assert counted.keys() - files <= {"icon.svg"}
