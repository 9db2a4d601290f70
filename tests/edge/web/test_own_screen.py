"""The own screen stays on, is dimmed at night; the page lives as an app, or in a frame."""

from __future__ import annotations

import contextlib
import datetime as dt

import httpx
import pytest
from defusedxml.ElementTree import fromstring
from playwright.sync_api import Browser, expect

from catalog.recognition.decision import Verdict
from edge.web.branding import Appearance
from edge.web.page_settings import PageSettings
from tests.support.browsing import CHROMIUM, KIOSK, SECONDS, hide, visiting
from tests.support.file_server import Answer, FileServer
from tests.support.web_stand_in import CUP, StandInDevice, serving

NIGHT = dt.datetime(2026, 11, 30, 23, 0)
MINUTE = 60 * SECONDS
NOTE_LOCKS = """window.locks = [];
const { wakeLock } = navigator;
const request = wakeLock.request.bind(wakeLock);
wakeLock.request = async (kind) => (locks.push([kind, await request(kind)]), locks.at(-1)[1]);"""
HELD = "() => locks.map(([kind, lock]) => [kind, lock.released])"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def test_screen_stays_on_and_is_dimmed_at_night(browser: Browser, device: StandInDevice) -> None:
    """A touch wakes it for two minutes, and so does a thing; by day it is never dimmed."""
    look = Appearance(PageSettings(dim="22:00-07:00"))
    with (
        serving(device, appearance=look) as address,
        visiting(browser, "about:blank", KIOSK, server_may_be_away=True) as page,
    ):
        page.clock.install(time=NIGHT)
        page.add_init_script(NOTE_LOCKS)
        page.goto(address, wait_until="domcontentloaded")
        page.clock.fast_forward(5 * SECONDS)  # what the first answer does not need is loaded then
        veil = page.locator(".veil")
        expect(veil).to_be_visible()
        page.wait_for_function("() => locks.length")
        held = page.evaluate(HELD)
        assert ["screen", False] in held
        page.locator(".brand").click()
        expect(veil).to_be_hidden()
        page.clock.fast_forward(MINUTE)
        expect(veil).to_be_hidden()
        page.clock.fast_forward(2 * MINUTE)
        expect(veil).to_be_visible()
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        expect(veil).to_be_hidden()
        page.clock.fast_forward(3 * MINUTE)
        expect(veil).to_be_visible()
        page.clock.fast_forward(9 * 60 * MINUTE)
        expect(veil).to_be_hidden()
        hide(page, hidden=True)
        hide(page, hidden=False)
        page.wait_for_function(f"() => locks.length > {len(held)}")


def test_page_can_be_installed(browser: Browser, device: StandInDevice) -> None:
    """Chromium finds nothing wrong with the manifest, and its icon is a picture."""
    look = Appearance(PageSettings(name="Café"))
    with serving(device, appearance=look) as address, visiting(browser, address, KIOSK) as page:
        link = page.context.new_cdp_session(page)
        manifest = link.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert manifest["url"] == f"{address}manifest.webmanifest"
        errors = link.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [error["errorId"] for error in errors] == ["in-incognito"]  # as each test's window
        written = httpx.get(manifest["url"], timeout=60).json()
        assert written["name"] == "Café"
        for icon in written["icons"]:
            answer = httpx.get(f"{address.rstrip('/')}{icon['src']}", timeout=60)
            assert answer.headers["Content-Type"].startswith(icon["type"])
            assert fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"


def test_page_lives_in_a_frame_of_a_site_that_is_named(
    browser: Browser, device: StandInDevice
) -> None:
    """The staff's area does not."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(contextlib.closing(FileServer()))
        look = Appearance(frame_ancestors=(shop.address,))
        address = stack.enter_context(serving(device, appearance=look))
        context = stack.enter_context(contextlib.closing(browser.new_context()))
        page = context.new_page()
        frames = "".join(f"<iframe name={name} src={address}{name}></iframe>" for name in PLACES)
        shop.answers["/"] = Answer(f"<!doctype html>{frames}".encode())
        page.goto(f"{shop.address}/", wait_until="load")
        shown, refused = (page.frame(name) for name in PLACES)
        assert shown is not None
        assert refused is not None
        expect(shown.locator(".title")).to_have_text("Blue stoneware cup")
        expect(shown.locator("#picture")).to_be_visible()
        assert refused.url.startswith("chrome-error:")


PLACES = ("?framed", "staff")
