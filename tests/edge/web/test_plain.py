"""The plain page: what old browsers and those without JavaScript get."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

import edge.web
from catalog.core.state import SyncState
from catalog.recognition.decision import Verdict
from edge.appliance.waiting import waiting_for
from edge.web.app import create_app
from edge.web.plain import CERTAINTY, CLEAR
from edge.web.security import CONTENT_SECURITY_POLICY
from tests.support.browsing import CHROMIUM, visiting, within
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    HOSTILE,
    HOSTILE_TITLE,
    LONG,
    StandInDevice,
    serving,
    show_state,
)

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def read(device: StandInDevice, path: str = "/plain") -> str:
    """The plain page's text, without its tags."""
    answer = create_app(device).test_client().get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("match", "A clear match Blue stoneware cup Shelf A 3 € 14.50 Material Stoneware"),
        ("one_of", "Probably one of these Spur gear, 24 teeth, module 1.5 Rack 4, bin 7 · € 23.00"),
        ("perhaps", "Perhaps one of these Try turning it. Spur gear, 24 teeth"),
        ("unknown", "I don\u2019t know this one. Try turning it."),
        ("nothing", "Hold something in front of the camera I will tell you what it is."),
        ("offline", "The camera was unplugged. No picture from the camera"),
    ],
)
def test_each_answer_in_words(state: str, words: str) -> None:
    """It says the same as the page."""
    device = StandInDevice()
    show_state(device, state)
    assert words in read(device)


def test_words_are_those_of_the_page() -> None:
    """Both pages use each word from the same probability on."""
    script = (Path(edge.web.__path__[0]) / "static" / "words.js").read_text(encoding="utf-8")
    table = re.findall(r'\[([0-9.]+), say\("([^"]+)"\), say\("([^"]+)"\)\],', script)
    assert [(float(least), one, of_several) for least, one, of_several in table] == [
        (least, f"{words} this one", f"{words} one of these") for least, words in CERTAINTY
    ]
    assert f"const CLEAR = {CLEAR};" in script


def test_before_the_first_answer_and_without_a_catalogue() -> None:
    """It invites, or says calmly that nothing can be found."""
    device = StandInDevice()
    assert "Hold something in front of the camera" in read(device)
    device.opened = None
    shown = read(device)
    assert "Nothing can be found at the moment The page goes on by itself." in shown
    assert "visual-search activate" not in shown, "commands are the staff's"
    device.waiting = waiting_for(SyncState(), "", "/srv/setup/shop.bundle: is damaged")
    assert read(device) == shown, "it was set up"
    device.waiting = waiting_for(SyncState(), "", "")
    assert "Set up this device , in a newer browser" in read(device)


def test_it_renews_itself_and_tries_the_page_now_and_then() -> None:
    """A kiosk that came here by an accident is not left here."""
    client = create_app(StandInDevice()).test_client()
    for path, following in (
        ("/plain", "/plain?turn=1"),
        ("/plain?turn=41", "/plain?turn=42"),
        ("/plain?turn=100", "/"),
        ("/plain?turn=-1", "/plain?turn=1"),
        ("/plain?turn=²", "/plain?turn=1"),
    ):
        assert f'content="3; url={following}"' in client.get(path).text


@needs_chromium
def test_without_javascript(browser: Browser) -> None:
    """The page leads there, and the answer is renewed."""
    device = StandInDevice()
    with serving(device) as address:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
        page.goto(address)
        page.wait_for_url("**/plain**")
        expect(page.locator("h2")).to_have_text("Blue stoneware cup")
        device.show(Verdict.MATCH, [(HOSTILE, 0.9), (LONG, 0.5)])
        expect(page.locator("h2")).to_have_text(HOSTILE_TITLE, timeout=within(10))
        context.close()


def outdate_script(page: Page) -> None:
    """Let the page's script have a syntax that the browser cannot read."""

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/javascript", body="export class Link { ##too = new; }")

    page.route("**/link.js", answer)


def outdate_functions(page: Page) -> None:
    """Take a function away that the page's script calls when it starts."""
    page.add_init_script("delete Element.prototype.replaceChildren")


def outdate_modules(page: Page) -> None:
    """Make the browser one that knows no modules."""
    page.add_init_script("delete HTMLScriptElement.prototype.noModule")


def keep_script_away(page: Page) -> None:
    """Let a script of the page never come; the page's time flies."""
    page.clock.install()
    page.route("**/link.js", lambda route: route.abort())
    page.on("requestfailed", lambda request: page.clock.run_for(16_000))


@needs_chromium
@pytest.mark.parametrize(
    "outdate", [outdate_script, outdate_functions, outdate_modules, keep_script_away]
)
def test_too_old_a_browser(browser: Browser, outdate: Callable[[Page], None]) -> None:
    """It gets the latest answer, and is told which versions do."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
    with serving(device) as address:
        context = browser.new_context()
        page = context.new_page()
        outdate(page)
        page.goto(address)
        page.wait_for_url("**/plain**")
        expect(page.locator("h2")).to_have_text("Blue stoneware cup")
        expect(page.locator(".note")).to_contain_text("Safari 15.4")
        context.close()


@needs_chromium
def test_it_fits(browser: Browser) -> None:
    """Nothing scrolls sideways, all pictures come, and the browser has no complaint."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(LONG, 0.9), (LONG, 0.5), (GEAR, 0.4)])
    device.take_frame()
    with serving(device) as address, visiting(browser, f"{address}plain") as page:
        page.wait_for_function(
            "() => [...document.images].length === 4"
            " && [...document.images].every((image) => image.naturalWidth > 0)"
        )
        for width, height in (800, 480), (1920, 1080), (480, 800), (390, 844):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
