"""The page in a real Chromium recovers by itself, and says what it does not know."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    Page,
    TimeoutError,
    expect,
)

import edge.web.app
from catalog.recognition.decision import Verdict
from edge.sighting import Frame
from edge.web.interfaces import CameraStatus
from tests.support.browsing import (
    CHROMIUM,
    SECONDS,
    frames_are_coming,
    hide,
    hurry,
    stand_in_process,
    visiting,
    within,
)
from tests.support.faulty_proxy import FaultyProxy, Request
from tests.support.ports import free_port
from tests.support.served_page import eventually
from tests.support.stopwatch import Stopwatch, slowness
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    StandInCatalogue,
    StandInDevice,
    serving,
)

CLOCK_AHEAD = """const Here = Date; globalThis.Date = class extends Here {
  constructor(...of) { of.length ? super(...of) : super(Date.now()); }
  static now() { return Here.now() + %d; }
};"""
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
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SENTENCE = "(document.querySelector('.sentence')?.textContent ?? '')"
SLOW_ANSWERS = """window.answers = 0;
window.banners = 0;
const ask = fetch;
globalThis.fetch = async (address, options) => {
  if (!String(address).includes("api/latest")) return ask(address, options);
  await new Promise((done) => setTimeout(done, 1_200));
  const answer = await ask(address, options);
  window.answers += 1;
  return answer;
};
document.addEventListener("DOMContentLoaded", () => {
  const banner = document.querySelector("#banner");
  const count = () => { if (!banner.hidden) window.banners += 1; };
  new MutationObserver(count).observe(banner, { attributeFilter: ["hidden"] });
});"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def test_camera_offline_shows_no_old_picture(page: Page, device: StandInDevice) -> None:
    """The page says since when and why, and the picture returns by itself."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    expect(page.locator("#picture")).to_be_visible()
    since = time.time() - 600
    device.go_offline(since=since)
    clock = time.strftime("%H:%M", time.localtime(since))
    since_when = re.compile(rf"Camera offline since (.+, )?{clock}")  # with the day after midnight
    expect(page.locator("#frame-note")).to_contain_text(since_when)
    expect(page.locator("#frame-note")).not_to_contain_text("unplugged")  # that is for the staff
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator(".sentence")).to_contain_text("No picture from the camera")
    expect(page.locator(".sentence")).to_contain_text("Please tell the staff.")
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
        expect(page.locator("#status-camera")).to_have_text("Waiting for the picture…")
        device.frozen = False
        expect(page.locator("#picture")).to_be_visible(timeout=within(12))


def test_picture_over_a_slow_link_is_young(browser: Browser) -> None:
    """The page asks for what 64 kB a second with 200 ms of delay can bring within a second."""
    device = StandInDevice(frozen=True)
    noise = np.random.default_rng(1).integers(0, 60, (720, 1280, 3), np.uint8)
    taken: dict[int, float] = {}
    busy = slowness()
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
    assert max(ages) < 1 * max(busy, slowness())
    assert drawn[-1][1] - drawn[0][1] < (len(drawn) - 1) * within(1)


def test_killed_server_comes_back_under_the_open_page(browser: Browser) -> None:
    """Page and picture recover by themselves, with the new state."""
    first, port = stand_in_process(free_port(), "match")
    address = f"http://127.0.0.1:{port}/"
    try:
        with visiting(browser, address, server_may_be_away=True) as page:
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            expect(page.locator("#picture")).to_be_visible()
            page.evaluate("window.sameDocument = true")
            first.kill()
            first.wait()
            away = page.locator(".sentence", has_text="No connection to the device")
            expect(away).to_be_visible(timeout=within(3))
            expect(page.locator("#banner")).to_have_text("Reconnecting…")
            expect(page.locator("#status-camera")).to_have_text("Not connected")
            usual = page.viewport_size
            page.set_viewport_size({"width": 390, "height": 500})
            page.mouse.wheel(0, 3000)
            expect(page.locator("#banner")).to_be_in_viewport()
            if usual is not None:
                page.set_viewport_size(usual)
            for old in ("#picture", "#hint"):
                expect(page.locator(old)).to_be_hidden(timeout=within(3))
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
        expect(page.locator("#status-camera")).to_have_text("Camera on")
        expect(page.locator("#picture")).to_be_visible()
        assert frames_are_coming(page)


def test_slow_link_is_no_lost_one(browser: Browser) -> None:
    """A device whose answers take more than a second is said to be away once at most."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    with (
        serving(device, most_streams=0) as address,
        visiting(browser, "about:blank", server_may_be_away=True) as page,
    ):
        page.add_init_script(SLOW_ANSWERS)
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_function("() => answers >= 4")
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        assert page.evaluate("banners") <= 1


def hold_clock(page: Page) -> None:
    """From the next load on, the page's time passes only as a test lets it."""
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(hours=1))  # later than it can be by now


def is_open_stream(request: Request) -> bool:
    """Whether events came on it, and still may."""
    return "events" in request.path and request.bytes > 0 and not request.ended


def test_network_that_is_gone_is_noticed(browser: Browser, device: StandInDevice) -> None:
    """Within three seconds, though no connection is closed; the page goes on by itself."""
    with serving(device) as address, contextlib.closing(FaultyProxy(address)) as network:
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        with visiting(browser, "about:blank", server_may_be_away=True) as page:
            hold_clock(page)
            page.goto(f"{network.address}/", wait_until="domcontentloaded")
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            # a busy machine may have asked for the events again
            eventually(lambda: any(is_open_stream(each) for each in list(network.requests)))
            network.dropped.set()
            page.clock.run_for(3 * SECONDS)
            expect(page.locator(".sentence")).to_contain_text("No connection to the device")
            expect(page.locator("#status-camera")).to_have_text("Not connected")
            network.dropped.clear()
            page.clock.resume()
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            expect(page.locator("#picture")).to_be_visible()


@pytest.mark.parametrize("most_streams", [48, 0], ids=["stream", "polling"])
def test_device_that_stands_still_is_noticed(browser: Browser, most_streams: int) -> None:
    """Within three seconds no old answer is shown any more, though no connection was closed."""
    process, port = stand_in_process(0, "match", most_streams)
    try:
        with visiting(browser, "about:blank", server_may_be_away=True) as page:
            hold_clock(page)
            page.goto(f"http://127.0.0.1:{port}/", wait_until="domcontentloaded")
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            os.kill(process.pid, signal.SIGSTOP)
            page.clock.run_for(3 * SECONDS)
            expect(page.locator(".sentence")).to_contain_text("No connection to the device")
            expect(page.locator("#status-camera")).to_have_text("Not connected")
            os.kill(process.pid, signal.SIGCONT)
            page.clock.resume()
            expect(page.locator(".title")).to_have_text("Blue stoneware cup")
            expect(page.locator("#banner")).to_be_hidden()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("most_streams", [48, 0], ids=["stream", "polling"])
def test_lost_catalogue_takes_its_answers_along(
    browser: Browser, device: StandInDevice, most_streams: int
) -> None:
    """What was seen with it is not shown any more, and nothing can be searched without it."""
    with (
        serving(device, most_streams=most_streams) as address,
        visiting(browser, address, server_may_be_away=True) as page,
    ):
        device.show(Verdict.MATCH, [(CUP, 0.9)])
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        with Stopwatch() as losing:
            device.opened = None
            page.wait_for_function(f"() => {SENTENCE}.includes('Nothing can be found')")
        assert losing.seconds < 3
        expect(page.locator("#status-when")).to_be_empty()
        expect(page.locator("#words")).not_to_be_editable()
        expect(page.locator("#photo")).to_be_disabled()
        with Stopwatch() as finding:
            device.opened = StandInCatalogue()
            page.wait_for_function("() => !document.querySelector('#words').readOnly")
        assert finding.seconds < 3
        expect(page.locator("#photo")).to_be_enabled()


def test_live_picture_at_once(browser: Browser, device: StandInDevice) -> None:
    """It is there within two seconds of opening, as in the other engines."""
    with serving(device) as address, browser.new_context() as context:
        page = context.new_page()
        with Stopwatch() as opening:
            page.goto(address)
            page.wait_for_function("() => !document.querySelector('#picture').hidden")
        assert opening.seconds < 2


def test_back_button_leads_to_a_living_page(page: Page, device: StandInDevice) -> None:
    """A browser may show the page as it was left, from its memory."""
    expect(page.locator("#picture")).to_be_visible()
    page.goto(f"{page.url}plain")
    device.show(Verdict.MATCH, [(CUP, 0.91)])
    page.go_back()
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    expect(page.locator("#picture")).to_be_visible()


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
        port = free_port()
        address = first.enter_context(serving(StandInDevice(), port=port))
        with visiting(browser, address, server_may_be_away=True) as page:
            expect(page.locator("#picture")).to_be_visible()
            page.evaluate("window.sameDocument = true")
            page.route("**/later.js*", lambda route: route.abort())  # a late script is not needed
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
        hurry(page, {5_000: 0})
        device.opened = StandInCatalogue(id="20261123T090000Z-0123456789ab")
        device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        expect(page.locator("#panel span.mat")).to_have_count(2)
        expect(page.locator("#status-catalogue")).to_have_text("Things of 23 Nov 2026")
