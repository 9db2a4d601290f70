"""The page in a real Chromium: what people see, and that it recovers by itself."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    FilePayload,
    Page,
    Route,
    TimeoutError,
    expect,
    sync_playwright,
)

import edge.web.app
from catalog.recognition.decision import Verdict
from edge.sighting import Frame
from edge.web.interfaces import CameraStatus
from tests.support.stopwatch import slowness
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    HOSTILE,
    HOSTILE_TITLE,
    LONG,
    LONG_TITLE,
    SHELL,
    WRENCH,
    StandInAnnouncement,
    StandInCatalogue,
    StandInDevice,
    draw_look,
    serving,
    show_state,
)

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()
KIOSK, WIDE, PHONE, TABLET = (800, 480), (1920, 1080), (390, 844), (768, 1024)
SIZES = {"kiosk": KIOSK, "wide": WIDE, "phone": PHONE}
STATES = ("match", "one_of", "perhaps", "unknown", "nothing", "long", "hostile", "offline")
SECONDS = 1000  # Playwright counts milliseconds
CLOCK_AHEAD = """const Here = Date; globalThis.Date = class extends Here {
  constructor(...of) { of.length ? super(...of) : super(Date.now()); }
  static now() { return Here.now() + %d; }
};"""
IMPATIENT = """const later = window.setTimeout;  // what is done every ten seconds is done at once
window.setTimeout = (act, ms, ...given) => later(act, ms === 10_000 ? 10 : ms, ...given);"""
NOTE_PICTURES = """window.pictures = [];
const draw = CanvasRenderingContext2D.prototype.drawImage;
let sequence = -1;
const number = Headers.prototype.get;
Headers.prototype.get = function (name) {
  const found = number.call(this, name);
  if (name === "X-Sequence") sequence = Number(found);
  return found;
};
CanvasRenderingContext2D.prototype.drawImage = function (picture, ...place) {
  draw.call(this, picture, ...place);
  window.pictures.push([sequence, Date.now()]);
};"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def within(seconds: float) -> float:
    """Playwright's time-out for something that must happen by then; longer on a busy machine."""
    return seconds * SECONDS * slowness()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60 * SECONDS)
    with sync_playwright() as playwright:
        machine = f"--host-resolver-rules=MAP {socket.gethostname()} 127.0.0.1"
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, machine])
        yield chromium
        chromium.close()


@contextlib.contextmanager
def visiting(
    browser: Browser,
    address: str,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    *,
    server_may_be_away: bool = False,
) -> Iterator[Page]:
    """Open a page at `address`; its console must have no errors or warnings."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
        is_mobile=size in (PHONE, TABLET),
        has_touch=size in (PHONE, TABLET),
    )
    context.set_default_timeout(60 * SECONDS)
    page = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (
            server_may_be_away and message.text.startswith("Failed to load resource")
        ):
            complaints.append(message.text)

    def hear_error(error: Error) -> None:
        complaints.append(str(error))

    page.on("console", hear)
    page.on("pageerror", hear_error)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(address, wait_until="domcontentloaded")
    try:
        yield page
        assert complaints == []
    finally:
        context.close()


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def page(browser: Browser, device: StandInDevice) -> Iterator[Page]:
    with serving(device) as address, visiting(browser, address) as visited:
        yield visited


# what is seen


def test_invites_while_nothing_is_there(page: Page) -> None:
    """The invitation and the live picture are there from the first moment."""
    expect(page.locator(".sentence")).to_contain_text("Hold something in front of the camera")
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#status-camera")).to_have_text("Camera on")
    expect(page.locator("#status-catalogue")).to_have_text("Things of 22 Nov 2026")
    assert frames_are_coming(page)


def test_own_screen_shows_the_address_while_idle(browser: Browser, device: StandInDevice) -> None:
    """The QR code can be read. A page that was opened from elsewhere shows none."""
    announcement = StandInAnnouncement(["http://shop.local:8080/", "http://10.9.0.2:8080/"])
    with serving(device, announcement=announcement) as address:
        with visiting(browser, address, KIOSK) as page:
            expect(page.locator("#address-words")).to_have_text("shop.local:8080")
            expect(page.locator("#address")).to_be_visible()
            page.wait_for_function("() => document.getElementById('address-code').naturalWidth > 0")
            picture = np.frombuffer(page.locator("#address").screenshot(), np.uint8)
            read = cv2.QRCodeDetector().detectAndDecode(cv2.imdecode(picture, cv2.IMREAD_COLOR))
            assert read[0] == "http://10.9.0.2:8080/"
            assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
            device.show(Verdict.MATCH, [(CUP, 0.91)])
            expect(page.locator("#address")).to_be_hidden()
            device.show(Verdict.NOTHING, [])
            expect(page.locator("#address")).to_be_visible()
            page.fill("#words", "cup")
            expect(page.locator("#result-bar")).to_be_visible()
            expect(page.locator("#address")).to_be_hidden()
        elsewhere = address.replace("127.0.0.1", socket.gethostname())
        asked: list[str] = []
        with visiting(browser, "about:blank") as page:
            page.on("request", lambda request: asked.append(request.url))
            page.goto(elsewhere)
            expect(page.locator(".sentence")).to_contain_text("Hold something")
            expect(page.locator("#address")).to_be_hidden()
        assert asked
        assert not any("address" in url.rpartition("/")[2] for url in asked if ".js" not in url)


def test_own_screen_keeps_asking_for_the_address(browser: Browser, device: StandInDevice) -> None:
    """A screen that is on for months shows the address though the first answers held none."""
    announcement = StandInAnnouncement(["http://shop.local:8080/"])
    answers = [(500, "{}"), (200, '{"addresses": [], "show": false}')]

    def answer(route: Route) -> None:
        if not answers:
            return route.continue_()
        status, body = answers.pop(0)
        return route.fulfill(status=status, body=body, content_type="application/json")

    with (
        serving(device, announcement=announcement) as address,
        visiting(browser, "about:blank", KIOSK, server_may_be_away=True) as page,
    ):
        page.route("**/api/address", answer)
        page.add_init_script(IMPATIENT)
        page.goto(address, wait_until="domcontentloaded")
        expect(page.locator("#address-words")).to_have_text("shop.local:8080")
        expect(page.locator("#address")).to_be_visible()


def test_match_appears_then_the_next(page: Page, device: StandInDevice) -> None:
    """Title, price, place, picture and crop are shown, with the next best, but no cosine."""
    device.show(Verdict.MATCH, [(CUP, 0.91), (GEAR, 0.5), (WRENCH, 0.4)])
    label = page.locator(".match")
    expect(label.locator(".title")).to_have_text("Blue stoneware cup")
    expect(label.locator(".price")).to_have_text("€ 14.50")
    expect(label.locator(".location")).to_have_text("Shelf A 3")
    expect(label.locator(".sure")).to_have_text("A clear match")
    expect(label.locator(".next .name")).to_have_text(
        ["Spur gear, 24 teeth, module 1.5", "Combination wrench, 17 mm"]
    )
    expect(page.locator("#look")).to_be_visible()
    expect(page.locator("#spoken")).to_have_text("Blue stoneware cup. Shelf A 3")
    assert "0.9" not in page.locator("#answer").inner_text()
    assert all_pictures_are_there(page)
    device.show(Verdict.MATCH, [(SHELL, 0.7), (CUP, 0.48)])
    expect(label.locator(".title")).to_have_text("Nautilus shell, polished")
    expect(label.locator(".sure")).to_have_text("Very likely this one")
    expect(label.locator(".price")).to_have_count(0)


@pytest.mark.parametrize(
    ("second", "words"),
    [(0.45, "A clear match"), (0.48, "Very likely"), (0.6, "Probably"), (0.69, "Perhaps")],
)
def test_words_follow_the_number(
    page: Page, device: StandInDevice, second: float, words: str
) -> None:
    """No match is shown with words that its confidence does not bear."""
    device.show(Verdict.MATCH, [(SHELL, 0.7), (CUP, second)])
    expect(page.locator(".match .sure")).to_contain_text(words)


def test_guesses_are_plainly_guesses(page: Page, device: StandInDevice) -> None:
    """They claim nothing, say what to do, and open their items."""
    device.show(Verdict.PERHAPS, [(GEAR, 0.6), (CUP, 0.59)], look=HOSTILE)
    expect(page.locator(".guess .heading")).to_have_text("Perhaps one of these")
    expect(page.locator(".guess .advice")).to_contain_text(
        "I am not sure. Try turning it, or search by name."
    )
    expect(page.locator(".guess .card .name")).to_have_text(
        ["Spur gear, 24 teeth, module 1.5", "Blue stoneware cup"]
    )
    expect(page.locator("#spoken")).to_contain_text("I am not sure. Perhaps one of these: Spur")
    page.locator(".guess .card").first.click()
    expect(page.locator(".item .title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    page.keyboard.press("Escape")
    device.show(Verdict.PERHAPS, [(CUP, 0.6)], look=HOSTILE)
    expect(page.locator(".guess .heading")).to_have_text("Perhaps this one")


def test_one_of_these_then_unknown_then_nothing(page: Page, device: StandInDevice) -> None:
    """The page shows up to three cards, then a sentence, then an invitation."""
    device.show(Verdict.ONE_OF, [(GEAR, 0.74), (WRENCH, 0.72), (SHELL, 0.7), (CUP, 0.69)])
    expect(page.locator(".heading")).to_have_text("Probably one of these")
    expect(page.locator(".card .name")).to_have_text(
        ["Spur gear, 24 teeth, module 1.5", "Combination wrench, 17 mm", "Nautilus shell, polished"]
    )
    device.show(Verdict.UNKNOWN, [], look=HOSTILE)
    expect(page.locator(".sentence")).to_contain_text("I don\u2019t know this one.")
    expect(page.locator(".sentence")).to_contain_text("Try turning it, or search by name.")
    expect(page.locator("#look")).to_be_visible()
    device.show(Verdict.NOTHING, [])
    expect(page.locator(".sentence")).to_contain_text("Hold something in front of the camera")
    expect(page.locator("#look")).to_be_hidden()


def test_hostile_text_is_only_text(page: Page, device: StandInDevice) -> None:
    """Tags, apostrophes and script addresses in the catalogue do nothing."""
    device.show(Verdict.MATCH, [(HOSTILE, 0.9), (HOSTILE, 0.5)])
    expect(page.locator(".title")).to_have_text(HOSTILE_TITLE)
    expect(page.locator(".next .name")).to_have_text(HOSTILE_TITLE)
    expect(page.locator(".price")).to_have_text("<i>€ 1</i>")
    assert page.title() == "Visual search"
    assert page.locator("#panel :is(script, b, i, a)").count() == 0
    page.locator(".next .row").click()
    expect(page.locator("#result-bar")).to_be_visible()
    expect(page.locator(".item .title")).to_have_text(HOSTILE_TITLE)


def test_timings_on_demand(page: Page, device: StandInDevice) -> None:
    """They are hidden until a visitor opens them."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator(".title")).to_be_visible()
    expect(page.locator("#timings-list")).to_be_hidden()
    page.locator("#timings summary").click()
    expect(page.locator("#timings-list")).to_contain_text("14.8 ms")


# going away and coming back


def test_camera_offline_shows_no_old_picture(page: Page, device: StandInDevice) -> None:
    """The page says since when and why, and the picture returns by itself."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator("#picture")).to_be_visible()
    since = time.time() - 600
    device.go_offline(since=since)
    clock = time.strftime("%H:%M", time.localtime(since))
    since_when = re.compile(rf"Camera offline since (.+, )?{clock}")  # with the day after midnight
    expect(page.locator("#frame-note")).to_contain_text(since_when)
    expect(page.locator("#frame-note")).to_contain_text("the camera was unplugged")
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator(".sentence")).to_contain_text("No picture from the camera")
    device.go_online()
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    assert frames_are_coming(page)


def test_camera_that_starts(page: Page, device: StandInDevice) -> None:
    """The page says so, and does not show the old picture."""
    device.camera_now = CameraStatus("starting", time.time(), "drawn camera")
    expect(page.locator("#frame-note")).to_have_text("The camera is starting…")
    expect(page.locator("#picture")).to_be_hidden()
    device.go_online()
    expect(page.locator("#picture")).to_be_visible()


def test_picture_that_stands_still_is_not_shown_as_live(browser: Browser) -> None:
    """That holds although the device reports its camera as online."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address) as page:
        expect(page.locator("#picture")).to_be_visible()
        device.frozen = True
        expect(page.locator("#picture")).to_be_hidden(timeout=within(6))
        expect(page.locator("#frame-note")).to_have_text("Waiting for the picture…")
        device.frozen = False
        expect(page.locator("#picture")).to_be_visible(timeout=within(12))


def test_picture_over_a_slow_link_is_young(browser: Browser) -> None:
    """The page asks for what 64 kB a second with 200 ms of delay can bring within a second."""
    device = StandInDevice(frozen=True)
    noise = np.random.default_rng(1).integers(0, 60, (720, 1280, 3), np.uint8)
    taken: dict[int, float] = {}
    with serving(device) as address, visiting(browser, "about:blank") as page:

        def film() -> None:
            for number in itertools.count(1):
                if device.stopping.wait(1 / 12):
                    return
                taken[number] = time.time()
                image = np.roll(noise, number * 40, axis=1)
                device.picture.show(Frame(image, taken[number], number))

        camera = threading.Thread(target=film)
        camera.start()
        link = page.context.new_cdp_session(page)
        link.send("Network.enable")
        slow = {"latency": 200, "uploadThroughput": 64_000, "downloadThroughput": 64_000}
        link.send("Network.emulateNetworkConditions", {"offline": False, **slow})
        page.add_init_script(NOTE_PICTURES)
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_function("() => pictures.length > 9")
        drawn = page.evaluate("pictures")[3:]
        device.stopping.set()
        camera.join()
    ages = [at / SECONDS - taken[number] for number, at in drawn]
    assert max(ages) < 1 * slowness()
    assert drawn[-1][1] - drawn[0][1] < (len(drawn) - 1) * within(1)


def test_killed_server_comes_back_under_the_open_page(browser: Browser) -> None:
    """Page and picture recover by themselves, with the new state."""
    first, port = stand_in_process(0, "match")
    address = f"http://127.0.0.1:{port}/"
    try:
        with visiting(browser, address, server_may_be_away=True) as page:
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            expect(page.locator("#picture")).to_be_visible()
            page.evaluate("window.sameDocument = true")
            first.kill()
            first.wait()
            expect(page.locator("#banner")).to_be_visible(timeout=within(8))
            expect(page.locator("#banner")).to_have_text("Reconnecting…")
            expect(page.locator("#status-camera")).to_have_text("Not connected")
            expect(page.locator("#picture")).to_be_hidden(timeout=within(8))
            second, _ = stand_in_process(port, "one_of")
            try:
                expect(page.locator(".heading")).to_have_text(
                    "Probably one of these", timeout=within(15)
                )
                expect(page.locator("#banner")).to_be_hidden()
                expect(page.locator("#status-camera")).to_have_text("Camera on")
                expect(page.locator("#picture")).to_be_visible(timeout=within(15))
                assert frames_are_coming(page)
                assert page.evaluate("window.sameDocument")
            finally:
                second.kill()
                second.wait()
    finally:
        first.kill()
        first.wait()


def test_without_a_free_stream_the_page_asks_instead(browser: Browser) -> None:
    """A browser closes a refused event stream for good, so the page polls."""
    device = StandInDevice()
    with (
        serving(device, most_streams=0) as address,
        visiting(browser, address, server_may_be_away=True) as page,
    ):
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        device.show(Verdict.MATCH, [(GEAR, 0.9)])
        expect(page.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")
        expect(page.locator("#banner")).to_be_hidden()


def test_hidden_page_holds_no_streams(page: Page) -> None:
    """A browser has six connections to a device, and a hidden page needs none."""
    expect(page.locator("#picture")).to_be_visible()
    open_streams = "() => fetch('/api/status').then((a) => a.json()).then((s) => s.streams.open)"
    page.wait_for_function(f"async () => (await ({open_streams})()) === 1")
    hide(page, hidden=True)
    page.wait_for_function(f"async () => (await ({open_streams})()) === 0")
    expect(page.locator("#picture")).to_be_hidden()
    with pytest.raises(TimeoutError), page.expect_request("**/camera.jpg*", timeout=SECONDS / 2):
        pass
    hide(page, hidden=False)
    expect(page.locator("#picture")).to_be_visible()
    page.wait_for_function(f"async () => (await ({open_streams})()) === 1")


def test_page_loads_itself_anew_after_an_update(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reloads a kiosk's page by hand."""
    with contextlib.ExitStack() as first:
        address = first.enter_context(serving(StandInDevice()))
        port = int(address.rstrip("/").rpartition(":")[2])
        with visiting(browser, address, server_may_be_away=True) as page:
            expect(page.locator("#picture")).to_be_visible()
            page.evaluate("window.sameDocument = true")
            first.close()
            monkeypatch.setattr(edge.web.app, "page_files_digest", lambda: "another")
            with serving(StandInDevice(), port=port):
                expect(page.locator("html")).to_have_attribute(
                    "data-page", "another", timeout=within(15)
                )
                assert page.evaluate("window.sameDocument === undefined")
                expect(page.locator("#picture")).to_be_visible(timeout=within(15))


@pytest.mark.parametrize(
    ("visited", "since"),
    [("2026-11-29T15:30:30", "15:20"), ("2026-11-30T00:05:30", "29 Nov, 23:55")],
    ids=["today", "yesterday"],
)
def test_offline_since_in_the_visitors_own_time(
    browser: Browser, device: StandInDevice, visited: str, since: str
) -> None:
    """A device without a network may have a wrong clock; only the duration is certain."""
    with serving(device) as address, visiting(browser, "about:blank") as page:
        ahead_ms = page.evaluate(f"Date.parse('{visited}') - Date.now()")
        device.go_offline(since=time.time() - 600)
        page.add_init_script(CLOCK_AHEAD % ahead_ms)
        page.goto(address, wait_until="domcontentloaded")
        expect(page.locator("#frame-note")).to_contain_text(f"Camera offline since {since}")


def test_changed_catalogue_leaves_no_broken_pictures(
    browser: Browser, device: StandInDevice
) -> None:
    """A sighting names the photos of the catalogue that it was made with."""
    with (
        serving(device) as address,
        visiting(browser, address, server_may_be_away=True) as page,
    ):
        device.opened = StandInCatalogue(id="20261123T090000Z-0123456789ab")
        device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        expect(page.locator("#panel span.mat")).to_have_count(2)
        expect(page.locator("#status-catalogue")).to_have_text("Things of 23 Nov 2026")


# searching


def test_search_by_name_and_back_to_live(page: Page, device: StandInDevice) -> None:
    """Results come while typing, an item can be opened, and the camera's answer waits."""
    device.show(Verdict.MATCH, [(SHELL, 0.9)])
    page.get_by_label("Search by name").fill("17 mm wrench")
    expect(page.locator(".item .title")).to_have_text("Combination wrench, 17 mm")
    expect(page.locator("#result-words")).to_have_text("Found for “17 mm wrench”")
    expect(page.locator(".more-photos img")).to_have_count(1)
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    page.get_by_label("Search by name").fill("e")
    expect(page.locator("#result-words")).to_have_text("7 found for “e”")
    expect(page.locator(".found .row")).to_have_count(7)
    page.locator(".found .row", has_text="Spur gear").click()
    expect(page.locator(".item .title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator(".match:not(.item) .title")).to_have_text("Blue stoneware cup")
    expect(page.get_by_label("Search by name")).to_have_value("")
    expect(page.locator("#result-bar")).to_be_hidden()


def test_search_that_finds_nothing(page: Page) -> None:
    """The page says so, accepts any text, and Escape leads back."""
    words = '<b>O\'Neill & "sons"</b> %2F?#'
    page.get_by_label("Search by name").fill(words)
    expect(page.locator("#result-words")).to_have_text(f"Nothing found for “{words}”")
    page.keyboard.press("Escape")
    expect(page.locator(".sentence")).to_contain_text("Hold something in front of the camera")


def test_search_with_a_photo(page: Page, device: StandInDevice) -> None:
    """The result has the same form, with its crop, and new sightings do not replace it."""
    device.answer = GEAR
    chosen = FilePayload(name="gear.jpg", mimeType="image/jpeg", buffer=draw_look(GEAR))
    page.locator("#photo").set_input_files(chosen)
    expect(page.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    expect(page.locator("#result-words")).to_have_text("Your photo")
    expect(page.locator("#look")).to_be_visible()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator("#status-when")).to_contain_text("Seen")
    expect(page.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    page.get_by_role("button", name="Back to live").click()
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")


def test_large_photo_has_time_to_arrive(page: Page, device: StandInDevice) -> None:
    """Two minutes for 4 MB are no reason to give up, nor to show the camera's answer again."""
    device.answer = GEAR
    underway: list[Route] = []
    page.clock.install()
    page.route("**/api/search", lambda route: underway.append(route))
    photo = draw_look(GEAR) + bytes(4_000_000)
    with page.expect_request("**/api/search"):
        page.locator("#photo").set_input_files(
            FilePayload(name="gear.jpg", mimeType="image/jpeg", buffer=photo)
        )
    page.clock.fast_forward(120 * SECONDS)
    underway[0].continue_()
    expect(page.locator("#result-words")).to_have_text("Your photo")
    expect(page.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")


@pytest.mark.parametrize("size", [PHONE, TABLET], ids=["phone", "tablet"])
def test_phone_takes_or_chooses_a_photo(
    browser: Browser, device: StandInDevice, size: tuple[int, int]
) -> None:
    """It offers both ways; a phone that may only take one cannot send the photos that it has."""
    photo = FilePayload(name="gear.jpg", mimeType="image/jpeg", buffer=draw_look(GEAR))
    device.answer = GEAR
    with serving(device) as address:
        machine = address.replace("127.0.0.1", socket.gethostname().lower())
        with visiting(browser, machine, size) as page:
            take, choose = page.get_by_label("Take a photo"), page.get_by_label("Choose a photo")
            expect(page.locator("label", has=take)).to_be_visible()
            expect(page.locator("label", has=choose)).to_be_visible()
            expect(take).to_have_attribute("capture", "environment")
            expect(choose).not_to_have_attribute("capture", re.compile(".*"))
            take.set_input_files(photo)
            expect(page.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_kiosk_offers_one_way(browser: Browser, device: StandInDevice) -> None:
    """A kiosk's own touch screen has no second camera."""
    with serving(device) as address, visiting(browser, address, TABLET) as page:
        expect(page.locator("#picture")).to_be_visible()
        expect(page.locator("#take-button")).to_be_hidden()
        expect(page.locator("#choose-words")).to_have_text("Search with a photo")


def test_number_stays_with_its_unit(page: Page, device: StandInDevice) -> None:
    """No line ends between them, whatever the width."""
    device.show(Verdict.MATCH, [(WRENCH, 0.9), (GEAR, 0.5)])
    expect(page.locator(".title")).to_be_visible()
    assert page.locator(".title").evaluate("(title) => title.textContent") == (
        "Combination wrench, 17\N{NO-BREAK SPACE}mm"
    )
    assert page.locator(".price").evaluate("(price) => price.textContent") == (
        "€\N{NO-BREAK SPACE}9.80"
    )
    expect(page.locator(".next .name")).to_have_text("Spur gear, 24 teeth, module 1.5")


def test_unknown_leads_to_the_search(page: Page, device: StandInDevice) -> None:
    """Touching the words puts the cursor into the search box."""
    device.show(Verdict.UNKNOWN, [], look=HOSTILE)
    page.get_by_role("button", name="search by name").click()
    expect(page.get_by_label("Search by name")).to_be_focused()


def test_only_visitors_browsers_lead_to_the_shop(page: Page, device: StandInDevice) -> None:
    """A visitor could not come back from there on a kiosk's own screen."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    expect(page.get_by_role("link", name="More about it")).to_have_count(0)
    machine = socket.gethostname().lower()
    page.goto(page.url.replace("127.0.0.1", machine), wait_until="domcontentloaded")
    link = page.get_by_role("link", name="More about it")
    expect(link).to_have_attribute("href", "https://shop.example/cup")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    device.show(Verdict.MATCH, [(HOSTILE, 0.9)])
    expect(page.locator(".title")).to_have_text(HOSTILE_TITLE)
    expect(link).to_have_count(0)


def test_photo_that_is_none(browser: Browser, device: StandInDevice) -> None:
    """The device's answer says what is wrong."""
    chosen = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"not a picture")
    with (
        serving(device) as address,
        visiting(browser, address, server_may_be_away=True) as page,
    ):
        page.locator("#photo").set_input_files(chosen)
        expect(page.locator(".sentence")).to_contain_text("notes.txt")
        page.evaluate("""() => {
            const chosen = new DataTransfer();
            chosen.items.add(new File([new Uint8Array(65 << 20)], "huge.jpg"));
            document.querySelector("#photo").files = chosen.files;
            document.querySelector("#photo").dispatchEvent(new Event("change"));
        }""")
        expect(page.locator(".sentence")).to_contain_text("larger than 64 MiB")
        page.locator("#photo").set_input_files(chosen)
        expect(page.locator(".sentence")).to_contain_text("notes.txt")


# form


@pytest.mark.parametrize("size", SIZES)
def test_every_state_fits_its_screen(browser: Browser, size: str) -> None:
    """Nothing scrolls sideways, a kiosk does not scroll, and nothing changes its place."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, SIZES[size]) as page:
        expect(page.locator("#picture")).to_be_visible()
        places = set()
        for state in STATES:
            show_state(device, state)
            shown = page.locator("#panel > *")
            expect(shown).to_contain_text(FIRST_WORDS[state])
            box = page.evaluate("""() => ({
                sideways: document.documentElement.scrollWidth - innerWidth,
                down: document.documentElement.scrollHeight - innerHeight,
                frame: document.querySelector('#frame').getBoundingClientRect().toJSON(),
                answer: document.querySelector('#answer').getBoundingClientRect().toJSON(),
            })""")
            assert box["sideways"] <= 0, state
            assert size == "phone" or box["down"] <= 0, state
            frame, answer = box["frame"], box["answer"]
            places.add((frame["width"], frame["height"], answer["left"], answer["top"]))
            assert overflowing(page) == [], state
            assert answer["top"] < SIZES[size][1] / 2, "the answer is seen with the picture"
        assert len(places) == 1, "picture and answer jumped"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(browser: Browser, scheme: str) -> None:
    """The contrast of all text is at least 4.5 to 1."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, KIOSK, scheme) as page:
        page.emulate_media(reduced_motion="reduce")
        page.locator("#timings summary").click()
        for state in STATES:
            show_state(device, state)
            expect(page.locator("#panel > *")).to_contain_text(FIRST_WORDS[state])
            assert page.evaluate(FAINT_TEXT) == [], state
        page.get_by_label("Search by name").fill("e")
        expect(page.locator(".found .row")).to_have_count(7)
        assert page.evaluate(FAINT_TEXT) == []


def test_long_title_is_cut_in_sight_and_whole_for_listeners(
    page: Page, device: StandInDevice
) -> None:
    """The element has the whole text; the screen shows its first lines."""
    device.show(Verdict.MATCH, [(LONG, 0.93), (LONG, 0.5), (LONG, 0.4), (LONG, 0.3)])
    expect(page.locator(".title")).to_have_text(LONG_TITLE)
    for name in page.locator(".next .name").all():
        expect(name).to_have_text(LONG_TITLE)


def test_keyboard_reaches_everything(page: Page, device: StandInDevice) -> None:
    """The order is that on the screen, and the focus is always visible."""
    device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
    expect(page.locator(".next .row")).to_be_visible()
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert reached[:4] == ["skip", "words", "photo", "row"]
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Shift+Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".item .title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    expect(page.locator("#answer")).to_be_focused()


def test_landmarks_are_named(page: Page) -> None:
    """Screen readers jump from one to the next."""
    for role in ("banner", "main", "search", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("region", name="Camera")).to_have_count(1)
    expect(page.get_by_role("region", name="Answer")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Visual search")


# helpers

FIRST_WORDS = {
    "match": "Blue stoneware cup",
    "one_of": "Probably one of these",
    "perhaps": "Perhaps one of these",
    "unknown": "I don\u2019t know this one.",
    "nothing": "Hold something in front of the camera",
    "long": "Stainless steel",
    "hostile": "<script>",
    "offline": "No picture from the camera",
}

FAINT_TEXT = """() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (element) => {
        for (let ancestor = element; ancestor; ancestor = ancestor.parentElement) {
            const colour = numbers(getComputedStyle(ancestor).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility() || element.closest(".unseen, .skip")) continue;
        const pair = [light(numbers(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) faint.push(`${element.className || element.id} ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


def overflowing(page: Page) -> list[str]:
    """The elements that reach out of the answer; on a phone the answer may scroll."""
    found: list[str] = page.evaluate("""() => {
        const answer = document.querySelector("#answer").getBoundingClientRect();
        const outside = [];
        for (const element of document.querySelectorAll("#panel *")) {
            const box = element.getBoundingClientRect();
            if (box.right > answer.right + 1 || box.bottom > answer.bottom + 1) {
                outside.push(element.className || element.tagName);
            }
        }
        const bottom = (part) => part.getBoundingClientRect().bottom;
        const thing = document.querySelector(".thing");
        for (const part of thing?.querySelectorAll(".title, .location, .price, .mat") ?? []) {
            if (bottom(part) > bottom(thing) + 1) outside.push(`${part.className} is cut`);
        }
        const others = document.querySelector(".others");
        if (others && bottom(thing) > others.getBoundingClientRect().top + 1) {
            outside.push("the thing is over the others");
        }
        return outside;
    }""")
    return found


def frames_are_coming(page: Page) -> bool:
    """Whether the canvas changes: the stand-in's things tremble and its clock runs."""
    page.evaluate("""() => {
        const canvas = document.querySelector("#picture");
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        window.drawn = 0;
        CanvasRenderingContext2D.prototype.drawImage = function (...given) {
            if (this.canvas === canvas) window.drawn += 1;
            return draw.apply(this, given);
        };
    }""")
    page.wait_for_function("() => window.drawn >= 3")
    return True


def all_pictures_are_there(page: Page) -> bool:
    """Whether every visible picture has loaded."""
    page.wait_for_function("""() => [...document.querySelectorAll("#panel img, #look img")]
        .every((image) => image.complete && image.naturalWidth > 0)""")
    return True


def hide(page: Page, *, hidden: bool) -> None:
    """Tell the page that it is hidden, or visible again."""
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def stand_in_process(port: int, state: str) -> tuple[subprocess.Popen[str], int]:
    """Start a stand-in device in a process of its own; gives the process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.web_stand_in", "--port", str(port), "--state", state],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found, "the stand-in did not start"
    return process, int(found[1])
