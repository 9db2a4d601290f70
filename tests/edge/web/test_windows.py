"""Several windows of one browser share one stream, in a real Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from catalog.recognition.decision import Verdict
from tests.support.browsing import CHROMIUM, hide
from tests.support.ports import free_port
from tests.support.web_stand_in import CUP, GEAR, WRENCH, StandInDevice, serving

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

SECONDS = 1000  # Playwright counts milliseconds
CUP_TITLE, GEAR_TITLE = "Blue stoneware cup", "Spur gear, 24 teeth, module 1.5"
IMPATIENT = """const later = window.setTimeout;  // a silent leader is given up sooner
window.setTimeout = (act, ms, ...given) =>
  later(act, ms >= 12_000 && ms < 12_200 ? 300 : ms, ...given);
const often = window.setInterval;
window.setInterval = (act, ms, ...given) => often(act, ms === 4_000 ? 50 : ms, ...given);"""
STREAMS = "() => fetch('/api/status').then((a) => a.json()).then((s) => s.streams.open)"


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with contextlib.closing(browser.new_context()) as opened:
        opened.set_default_timeout(60 * SECONDS)
        yield opened


def open_windows(context: BrowserContext, address: str, count: int) -> list[Page]:
    windows = [context.new_page() for _ in range(count)]
    for window in windows:
        window.goto(address, wait_until="domcontentloaded")
    return windows


def streams_are(window: Page, count: int) -> None:
    window.wait_for_function(f"async () => (await ({STREAMS})()) === {count}")


def all_show(windows: list[Page], title: str) -> None:
    for window in windows:
        expect(window.locator(".title")).to_have_text(title)


def test_eight_windows_share_a_stream(context: BrowserContext, device: StandInDevice) -> None:
    """Each shows the live picture, each answer, and what was there before it opened."""
    with serving(device) as address:
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        windows = open_windows(context, address, 8)
        all_show(windows, CUP_TITLE)
        streams_are(windows[-1], 1)
        for window in windows:
            expect(window.locator("#picture")).to_be_visible()
        device.show(Verdict.MATCH, [(GEAR, 0.9)])
        all_show(windows, GEAR_TITLE)
        device.go_offline()
        for window in windows:
            expect(window.locator("#status-camera")).to_have_text("Camera offline")
        streams_are(windows[0], 1)


@pytest.mark.parametrize("way", ["close", "hide", "reload", "say nothing"])
def test_another_window_follows_a_leader(
    context: BrowserContext, device: StandInDevice, way: str
) -> None:
    """However the first window goes, the others are told the next answers."""
    context.add_init_script(IMPATIENT)
    with serving(device) as address:
        first, *others = open_windows(context, address, 4)
        streams_are(others[0], 1)
        if way == "close":
            first.close()
        elif way == "hide":
            hide(first, hidden=True)
        elif way == "reload":
            first.reload(wait_until="domcontentloaded")
        else:  # as a window that crashed
            first.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
            first.close()
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        all_show(others, CUP_TITLE)
        streams_are(others[0], 1)
        if way == "hide":
            hide(first, hidden=False)
        if way in ("hide", "reload"):
            all_show([first], CUP_TITLE)
            streams_are(others[0], 1)


def test_all_windows_say_that_the_device_is_away(
    context: BrowserContext, device: StandInDevice
) -> None:
    """And all of them go on when it is back, with one stream."""
    port = free_port()
    with serving(device, port=port) as address:
        windows = open_windows(context, address, 3)
        streams_are(windows[0], 1)
    for window in windows:
        expect(window.locator("#banner")).to_be_visible()
    again = StandInDevice()
    again.show(Verdict.MATCH, [(WRENCH, 0.9)])
    with serving(again, port=port):
        all_show(windows, "Combination wrench, 17 mm")
        for window in windows:
            expect(window.locator("#banner")).to_be_hidden()
        windows.pop(0).close()
        again.show(Verdict.MATCH, [(CUP, 0.9)])
        all_show(windows, CUP_TITLE)
        streams_are(windows[0], 1)


def test_browsers_of_two_visitors_have_a_stream_each(
    browser: Browser, context: BrowserContext, device: StandInDevice
) -> None:
    """They do not hear each other."""
    with serving(device) as address, contextlib.closing(browser.new_context()) as other:
        windows = open_windows(context, address, 2) + open_windows(other, address, 2)
        streams_are(windows[0], 2)
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        all_show(windows, CUP_TITLE)


def test_without_a_way_to_share_each_window_has_a_stream(
    context: BrowserContext, device: StandInDevice
) -> None:
    """As in a browser that forbids it to a website."""
    context.add_init_script("window.BroadcastChannel = class { constructor() { throw Error(); } }")
    with serving(device) as address:
        windows = open_windows(context, address, 2)
        streams_are(windows[0], 2)
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        all_show(windows, CUP_TITLE)
