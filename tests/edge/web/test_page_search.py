"""A visitor searches on the page, in a real Chromium."""

from __future__ import annotations

import re
import socket

import cv2
import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    FilePayload,
    Page,
    Route,
    expect,
)

from catalog.recognition.decision import Verdict
from tests.support.browsing import (
    CHROMIUM,
    KIOSK,
    PHONE,
    PORTRAIT,
    SECONDS,
    SMALL,
    TABLET,
    hurry,
    visiting,
)
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    HOSTILE,
    HOSTILE_TITLE,
    SHELL,
    WRENCH,
    StandInAnnouncement,
    StandInDevice,
    draw_look,
    serving,
)

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

DIRECTION = "(field) => getComputedStyle(field).unicodeBidi"
BOX = "(part) => part.getBoundingClientRect().toJSON()"
SHADOW = """(item) => {
  const { position, zIndex } = getComputedStyle(item, "::after");
  return [position, zIndex];
}"""
CODE_PARTS = ("#panel", ".phone-code img", ".phone-code figcaption", ".similar img")


def test_search_by_name_and_back_to_live(page: Page, device: StandInDevice) -> None:
    """Results come while typing, an item can be opened, and the camera's answer waits."""
    device.show(Verdict.MATCH, [(SHELL, 0.9)])
    assert page.locator("#words").evaluate(DIRECTION) != "plaintext", "Firefox would hide its hint"
    page.get_by_label("Search by name").fill("17 mm wrench")
    expect(page.locator("#words")).to_have_css("unicode-bidi", "plaintext")
    expect(page.locator(".item .title")).to_have_text("Combination wrench, 17 mm")
    expect(page.locator("#result-words")).to_have_text("Found for “17 mm wrench”")
    expect(page.locator(".strip img")).to_have_count(2)
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


def test_new_thing_offers_itself(page: Page, device: StandInDevice) -> None:
    """It can be touched at once; what a visitor chose is still there."""
    device.show(Verdict.MATCH, [(SHELL, 0.9), (GEAR, 0.5)])
    page.locator(".next .row").click()
    expect(page.locator("#result-words")).to_have_text("Chosen by you")
    expect(page.locator("#look")).to_be_hidden()
    device.show(Verdict.NOTHING, [])
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    offer = page.locator("#offer")
    expect(offer).to_have_text("Now before the camera: Blue stoneware cup")
    expect(offer.locator(".offer-name")).to_have_text("Blue stoneware cup")  # a line of its own
    expect(page.locator(".item .title")).to_have_text("Spur gear, 24 teeth, module 1.5")
    device.show(Verdict.UNKNOWN, [], look=HOSTILE)
    expect(offer).to_have_text("Something else lies before the camera")
    offer.click()
    expect(page.locator(".sentence")).to_contain_text("I don\u2019t know this one.")


@pytest.mark.parametrize("own_screen", [True, False], ids=["own screen", "visitor's screen"])
def test_new_thing_takes_over(page: Page, device: StandInDevice, *, own_screen: bool) -> None:
    """It does so where nobody touches the device's own screen, not on a visitor's."""
    if not own_screen:
        page.goto(page.url.replace("127.0.0.1", socket.gethostname().lower()))
    hurry(page, {8_000: 500, 30_000: 300 * SECONDS})
    device.show(Verdict.MATCH, [(SHELL, 0.9), (GEAR, 0.5)])
    page.locator(".next .row").click()
    expect(page.locator("#result-words")).to_have_text("Chosen by you")
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    if own_screen:
        expect(page.locator(".match:not(.item) .title")).to_have_text("Blue stoneware cup")
        expect(page.locator("#result-bar")).to_be_hidden()
    else:
        expect(page.locator("#offer")).to_be_visible()
        page.wait_for_function("() => new Promise((done) => setTimeout(() => done(true), 1000))")
        expect(page.locator(".item .title")).to_have_text("Spur gear, 24 teeth, module 1.5")


def test_item_page_has_all_there_is(browser: Browser, device: StandInDevice) -> None:
    """All photos and attributes, similar items, and a QR code of its address on a phone."""
    announcement = StandInAnnouncement(["http://shop.local:8080/", "http://10.9.0.2:8080/"])
    with (
        serving(device, announcement=announcement) as address,
        visiting(browser, f"{address}?item=GEAR%2F24", KIOSK) as page,
    ):
        item = page.locator(".item")
        expect(item.locator(".title")).to_have_text("Spur gear, 24 teeth, module 1.5")
        expect(page.locator("#result-words")).to_have_text("From the catalogue")
        expect(item.locator(".strip img")).to_have_count(2)
        expect(item.locator(".attributes")).to_contain_text("10\N{NO-BREAK SPACE}mm")
        item.get_by_role("button", name="Photo 2 of 2").click()
        page.wait_for_function("() => document.querySelector('.strip').scrollLeft > 50")
        code = item.get_by_alt_text("QR code that opens this item on a phone")
        code.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('.phone-code img').naturalWidth > 0")
        page.locator("#panel > .item").evaluate("(item) => item.scrollTo(0, 0)")
        for width, height in (SMALL, PORTRAIT, KIOSK):
            page.set_viewport_size({"width": width, "height": height})
            panel, code_at, words, similar = (
                page.locator(part).first.evaluate(BOX) for part in CODE_PARTS
            )
            below = words["top"] - code_at["bottom"]
            assert words["left"] == code_at["left"], "its words stand with it"
            assert 0 <= below < 8, "its words stand with it"
            assert words["bottom"] <= panel["bottom"] - 20, "they lie above the shadow"
            assert similar["top"] + similar["height"] / 3 <= panel["bottom"]
        last = page.locator("#panel > .item").evaluate(SHADOW)
        assert last == ["sticky", "2"], "the shadow lies over what is cut"
        picture = cv2.imdecode(np.frombuffer(code.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        read = cv2.QRCodeDetector().detectAndDecode(np.asarray(picture))
        assert read[0] == "http://10.9.0.2:8080/?item=GEAR%2F24"
        item.locator(".similar-item").first.click()
        expect(item.locator(".title")).to_have_text("Blue stoneware cup")
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        page.get_by_label("Language").select_option("de")
        expect(page.locator("#result-words")).to_have_text("Aus dem Katalog")
        expect(item.locator(".title")).to_have_text("Blue stoneware cup")
        page.locator("#back").click()
        assert page.evaluate("location.search") == "?lang=de"
        page.locator("#language").select_option("en")
        expect(page.locator(".sentence")).to_contain_text("Hold something in front of the camera")
        expect(item).to_have_count(0)


def test_item_page_gives_way(page: Page, device: StandInDevice) -> None:
    """On the device's own screen the camera comes back half a minute after the last touch."""
    page.clock.install()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    page.get_by_role("button", name="Open Blue stoneware cup").click()
    expect(page.locator(".item")).to_be_visible()
    page.clock.fast_forward(30 * SECONDS)
    expect(page.locator(".match:not(.item)")).to_be_visible()


def test_unknown_item_of_a_link(browser: Browser, device: StandInDevice) -> None:
    """The page says what is wrong, and goes on."""
    with (
        serving(device) as address,
        visiting(browser, f"{address}?item=gone", server_may_be_away=True) as page,
    ):
        expect(page.locator(".sentence")).to_contain_text("The catalogue has no item gone")
        page.get_by_role("button", name="Back to live").click()
        expect(page.locator(".sentence")).to_contain_text("Hold something")
        answers = [503]  # of a device in trouble; what is wrong is JSON, too
        page.route(
            "**/api/status",
            lambda r: r.fulfill(status=answers.pop(), json={}) if answers else r.continue_(),
        )
        hurry(page, {5_000: 0, 30_000: 100})
        expect(page.locator("#status-catalogue")).to_have_text("Things of 22 Nov 2026")
