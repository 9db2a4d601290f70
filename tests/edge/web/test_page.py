"""The page in a real Chromium: what people see."""

from __future__ import annotations

import re
import socket
from dataclasses import replace

import cv2
import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    Page,
    Route,
    expect,
)

from catalog.recognition.decision import Verdict
from edge.live import Outline
from edge.sighting import Candidate, Place, Sighting, ThingBeside
from tests.support.browsing import (
    CHROMIUM,
    KIOSK,
    SMALL,
    all_pictures_are_there,
    frames_are_coming,
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
    serving,
)

# Where the names of things are drawn, as shares of the picture.
NOTE_LABELS = """() => {
  const fill = CanvasRenderingContext2D.prototype.fillRect;
  window.labels = [];
  CanvasRenderingContext2D.prototype.fillRect = function (...area) {
    const { width, height } = this.canvas;
    labels.push(area.map((part, place) => part / (place % 2 ? height : width)));
    return fill.apply(this, area);
  };
  const write = CanvasRenderingContext2D.prototype.fillText;
  window.lines = new Set();
  CanvasRenderingContext2D.prototype.fillText = function (line, ...place) {
    lines.add(line);
    return write.call(this, line, ...place);
  };
}"""
IMPATIENT = """const later = window.setTimeout;  // what is done every ten seconds is done at once
window.setTimeout = (act, ms, ...given) => later(act, ms === 10_000 ? 10 : ms, ...given);"""

# Whether the canvas has the outline's colour left of the stand-in's thing.
OUTLINED = """() => {
  const canvas = document.querySelector("#picture");
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const part = copy.getImageData(width * 0.25, 0, width * 0.06, height);
  for (let at = 0; at < part.data.length; at += 4) {
    const [red, green, blue] = part.data.slice(at, at + 3);
    if (green - red > 60 && green > blue) return true;
  }
  return false;
}"""

# What lies beside the leading thing of the test of several: its name has the leading thing at its
# side, below it, or one of the other names. Of the last ones one lies above the other, with just
# enough room for three lines of smaller letters.
TIGHT = (Place(0.75, 0.1, 0.2, 0.3), Place(0.75, 0.6, 0.2, 0.15))
LYING = (
    (Place(0.1, 0.1, 0.2, 0.3),),
    (Place(0.45, 0.02, 0.12, 0.2),),
    (Place(0.1, 0.44, 0.12, 0.3), Place(0.75, 0.48, 0.2, 0.3)),
    (Place(0.05, 0.05, 0.12, 0.2), Place(0.4, 0.0, 0.12, 0.2), Place(0.75, 0.1, 0.12, 0.2)),
    TIGHT,
)

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


def test_invites_while_nothing_is_there(page: Page) -> None:
    """The invitation and the live picture are there from the first moment."""
    answers = ["no answer"]  # of one that was in trouble; the next one is the device's own
    page.route(
        "**/api/status", lambda r: r.fulfill(body=answers.pop()) if answers else r.continue_()
    )
    hurry(page, {5_000: 0, 30_000: 100})
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
            read = cv2.QRCodeDetector().detectAndDecode(
                np.asarray(cv2.imdecode(picture, cv2.IMREAD_COLOR))
            )
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
    expect(page.locator("#spoken")).to_have_text(
        "Blue stoneware cup. Shelf A 3. € 14.50. A clear match"
    )
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
    expect(page.locator(".guess .advice")).to_contain_text("Try turning it, or search by name.")
    expect(page.locator(".guess .card .name")).to_have_text(
        ["Spur gear, 24 teeth, module 1.5", "Blue stoneware cup"]
    )
    expect(page.locator("#spoken")).to_contain_text("Perhaps one of these: Spur")
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
    hurry(page, {5_000: 0})
    page.locator("#timings summary").wait_for()
    expect(page.locator("#timings-list")).to_be_hidden()
    page.locator("#timings summary").click()
    expect(page.locator("#timings-list")).to_contain_text("14.8 ms")


def test_best_match_opens(page: Page, device: StandInDevice) -> None:
    """The whole label is a button; the item says that it was chosen by hand."""
    device.show(Verdict.MATCH, [(CUP, 0.91), (GEAR, 0.5)])
    page.get_by_role("button", name="Open Blue stoneware cup").click()
    expect(page.locator(".item .title")).to_have_text("Blue stoneware cup")
    expect(page.locator("#result-words")).to_have_text("Chosen by you")
    expect(page.locator("#look")).to_be_hidden()


def test_looking_is_seen(page: Page, device: StandInDevice) -> None:
    """While the thing is looked at, the page says so, with corners around it in the picture."""
    expect(page.locator("#picture")).to_be_visible()
    device.picture.outline = Outline(Place(0.3, 0.2, 0.4, 0.5), is_looking=True)
    expect(page.locator(".sentence")).to_contain_text("Looking…")
    expect(page.locator("#answer")).to_have_class(re.compile("is-looking"))
    for said in ("#looking", "#hint"):  # once is enough
        expect(page.locator(said)).to_be_hidden()
    page.wait_for_function(OUTLINED)
    device.show(Verdict.MATCH, [(CUP, 0.91)])
    expect(page.locator("#looking")).to_be_visible()  # where the panel says something else
    device.picture.outline = replace(device.picture.outline, is_looking=False)
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    expect(page.locator("#looking")).to_be_hidden()
    page.wait_for_function(OUTLINED)
    device.picture.outline = None
    page.wait_for_function(f"() => !({OUTLINED})()")


def named(sighting: Sighting, number: str) -> Candidate:
    """A match whose name is too long for three lines of a third of the picture."""
    best = sighting.matches[0]
    title = f"{number} hexagon bolt stainless steel M8 x 40 DIN 933 with washer"
    return replace(best, item=replace(best.item, sku=number, title=title))


def meet(one: Place, other: Place) -> bool:
    """Whether two areas lie over each other, by more than a thousandth of the picture."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return min(across, down) > 0.001


def test_several_things_are_listed_and_counted(page: Page, device: StandInDevice) -> None:
    """Equal ones are counted; what is not known, or still looked at, is said."""
    leading = device.show(Verdict.MATCH, [(CUP, 0.91), (WRENCH, 0.4)])
    expect(page.locator(".title")).to_have_text("Blue stoneware cup")
    expect(page.locator(".tray")).to_have_count(0)
    page.set_viewport_size({"width": KIOSK[0], "height": KIOSK[1]})
    page.evaluate(NOTE_LABELS)
    place, middle = Place(0.1, 0.1, 0.2, 0.3), Place(0.39, 0.33, 0.29, 0.43)
    leading = replace(leading, place=middle)
    cup, gear = (device.sighting(Verdict.MATCH, [(thing, 0.9)]) for thing in (CUP, GEAR))
    others = [ThingBeside(place, known.id, known.verdict, known.matches) for known in (cup, gear)]
    others.append(ThingBeside(place, "unknown", Verdict.UNKNOWN))
    device.latest.lead(replace(leading, others=(*others, ThingBeside(place))))
    names = page.locator(".tray .name")
    expect(names).to_have_text([re.compile("^2 . Blue stoneware cup$"), re.compile("Spur gear")])
    costs = page.locator(".tray .cost")
    expect(costs).to_have_text(["€\xa014.50 each", "€\xa023.00"])  # whose is the price of one
    note = page.locator(".tray > p")
    expect(note).to_have_text("Not known: 1Still looking: 1")  # a dot is between
    assert note.evaluate("(e) => getComputedStyle(e).borderTopWidth") == "1px", (
        "it is no row's line"
    )
    for number, places in enumerate(LYING):
        others = [
            ThingBeside(where, "", Verdict.MATCH, (named(gear, f"{number}-{place}"),))
            for place, where in enumerate(places)
        ]
        device.latest.lead(replace(leading, others=tuple(others)))
        expect(names).to_have_text([re.compile(rf"^{number}-{at}\s") for at in range(len(places))])
        page.evaluate("labels.length = 0")
        page.wait_for_function("(count) => labels.length > count", arg=len(places))
        labels = [Place(*each) for each in page.evaluate("labels")][: len(places) + 1]
        for at, label in enumerate(labels):
            assert label.left > 0.005
            assert label.left + label.width < 0.995
            assert label.top + label.height < 1
            assert not any(meet(label, each) for each in labels[at + 1 :]), "a name lies over one"
            beside = [each for each in (middle, *places) if each != (middle, *places)[at]]
            assert not any(meet(label, each) for each in beside), "a name lies over a thing"
        if places == TIGHT:
            assert not meet(labels[1], TIGHT[0]), "its own thing's frame is whole"
            between = TIGHT[1].top - labels[1].top - labels[1].height
            assert between > 0.014, "a name is no title of what lies below it"
    page.set_viewport_size({"width": SMALL[0], "height": SMALL[1]})
    right = ThingBeside(TIGHT[0], gear.id, gear.verdict, gear.matches)
    device.latest.lead(replace(leading, others=(right,)))
    page.wait_for_function("() => lines.has('\u206824\u00a0teeth,\u2069')")  # lines of one length
    device.latest.lead(replace(leading, others=tuple(others[:1])))
    expect(names).to_have_count(1)
