"""The page fits its screen, is legible, and is reached by the keyboard."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import (
    Browser,
    Page,
    expect,
)

from catalog.recognition.decision import Verdict
from edge.sighting import Sighting
from tests.support.browsing import (
    CHROMIUM,
    FAINT_TEXT,
    FIRST_WORDS,
    KIOSK,
    PHONE,
    PORTRAIT,
    SIZES,
    SMALL,
    STATES,
    WIDE,
    hurry,
    overflowing,
    visiting,
)
from tests.support.web_stand_in import (
    ARABIC,
    CUP,
    GEAR,
    LAMP,
    LONG,
    LONG_TITLE,
    SHELL,
    StandInDevice,
    serving,
    show_state,
)

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

SIBLINGS = [f"Brunn sparkling water{kind}, 330 ml" for kind in (" Mint", " Lemon", "")]
SPACED = [name.replace("0 ml", "0\u00a0ml") for name in SIBLINGS]  # as the page writes it
HEBREW = "כוס כחולה"
LONG_MATERIAL = "Glazed stoneware, dishwasher safe"
# These end after a letter, which is the last one that has room.
FAMILY = "👩\u200d👩\u200d👧\u200d👦"
WITHOUT_WORDS = [f"新{'ｱｻﾋｽｰﾊﾟｰ' * 24}", f"鉄{'ABC' * 60}", f"A {'Donaudampf' * 18}"]
WITHOUT_WORDS += [f"{'牛' * 17} " * 11, f"{'Steel ' * 15}{'Donaudampf' * 18}", FAMILY * 60]
IS_FULL = """(kept, more) => {
  const [name, own] = [kept.parentElement, kept.textContent];
  kept.textContent += [...kept.nextSibling.textContent].slice(0, more).join("");
  const isOver = name.scrollHeight > name.clientHeight + 1;
  kept.textContent = own;
  return isOver;
}"""
MAKE_THE_PLACE_LONG = """() => {
  document.querySelector(".item .kept").textContent = "Lamp";
  document.querySelector(".item .title .unseen").textContent = "";
  document.querySelector(".item .location .clamp").textContent = "Hall 3, aisle 14, ".repeat(30);
  document.querySelector("#panel").dispatchEvent(new Event("refit"));
}"""
# At the end of what scrolls the ground lies over the shadow that tells of more.
IS_SHADOW_COVERED = """(view) => {
  const [ground, shadow] = ["::before", "::after"].map((part) => getComputedStyle(view, part));
  view.style.color = "var(--surface)";
  const surface = getComputedStyle(view).color;
  view.style.color = "";
  return ground.backgroundColor === surface && ground.zIndex > shadow.zIndex
    && parseFloat(ground.height) >= parseFloat(shadow.height);
}"""


def named(device: StandInDevice, verdict: Verdict, titles: list[str]) -> Sighting:
    """A sighting of things with these names, a price, and a place."""
    shown = device.sighting(verdict, [(GEAR, 0.9 - 0.1 * at) for at in range(len(titles))])
    found = tuple(
        replace(
            each,
            item=replace(each.item, title=title, price="€ 1.20", location="Aisle 4, shelf 2"),
        )
        for each, title in zip(shown.guesses or shown.matches, titles, strict=True)
    )
    if shown.guesses:
        return replace(shown, guesses=found)
    return replace(shown, matches=found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(browser: Browser, scheme: str) -> None:
    """The contrast of all text is at least 4.5 to 1, and of the line around a card 3 to 1."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, KIOSK, scheme) as page:
        page.emulate_media(reduced_motion="reduce")
        page.locator("#timings summary").click()
        for state in STATES:
            show_state(device, state)
            expect(page.locator("#panel > *")).to_contain_text(FIRST_WORDS[state])
            if state in ("one_of", "perhaps"):
                page.locator(".card").first.wait_for()
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
    hurry(page, {5_000: 0})
    page.locator("summary").wait_for()
    device.show(Verdict.MATCH, [(CUP, 0.9), (GEAR, 0.5)])
    expect(page.locator(".next .row")).to_be_visible()
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert reached[:6] == ["skip", "words", "photo", "language", "open", "row"]
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


def test_names_are_whole_where_there_is_room(browser: Browser) -> None:
    """Siblings differ by their last words; names and sizes go before attributes."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, KIOSK) as page:
        for verdict, names in (
            (Verdict.MATCH, ".title, .next .name"),
            (Verdict.ONE_OF, ".card .name"),
            (Verdict.PERHAPS, ".card .name"),
        ):
            device.latest.publish(named(device, verdict, SIBLINGS))
            expect(page.locator(names)).to_have_text(SPACED)
            for name in page.locator(names).all():
                assert name.is_visible()
                assert name.evaluate("(e) => e.scrollHeight <= e.clientHeight + 1"), verdict
            if verdict is Verdict.MATCH:
                sizes = page.evaluate(TEXT_SIZES, [".title", ".price", ".location", ".next .name"])
                least = (28, 28, 24, 20)
                assert all(size >= own for size, own in zip(sizes, least, strict=True)), sizes
            assert overflowing(page) == []


def test_what_is_too_long_for_three_cards_goes_behind_more(browser: Browser) -> None:
    """Two guesses are shown in a size that can be read, and the others by turns."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, KIOSK) as page:
        device.latest.publish(named(device, Verdict.PERHAPS, [LONG_TITLE, SIBLINGS[0], "Lamp"]))
        expect(page.locator(".card .name:visible")).to_have_text([LONG_TITLE, SPACED[0]])
        page.get_by_role("button", name="More").click()
        expect(page.locator(".card .name:visible")).to_have_text(["Lamp", LONG_TITLE])
        expect(page.locator(".guess")).to_have_class(re.compile("fit-6"))
        page.get_by_role("button", name="More").click()
        expect(page.locator(".card .name:visible")).to_have_text([SPACED[0], "Lamp"])
        assert overflowing(page) == []
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        heights = page.locator(".card").evaluate_all("(all) => all.map((e) => e.clientHeight)")
        assert len(heights) == 3
        assert max(heights) > 1.2 * min(heights), "each card has the room that it needs"


def test_a_very_long_name_has_as_many_lines_as_there_is_room_for(browser: Browser) -> None:
    """It is cut where the panel ends, and not before."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, WIDE) as page:
        device.show(Verdict.MATCH, [(LONG, 0.91)])
        expect(page.locator(".title")).to_be_visible()
        lines = page.evaluate("""() => {
            const title = document.querySelector(".title");
            return title.clientHeight / parseFloat(getComputedStyle(title).lineHeight);
        }""")
        assert lines > 3.5
        assert overflowing(page) == []


def test_attributes_are_shown_where_there_is_room(browser: Browser) -> None:
    """A kiosk with little height shows them, too, if nothing else needs the room."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, (1024, 600)) as page:
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        expect(page.locator(".attributes")).to_be_visible()
        page.set_viewport_size({"width": 1024, "height": 768})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert page.locator(".title").evaluate(PARTS_OF_WORDS) == [1, 1, 1], "no word is broken"


@pytest.mark.parametrize(
    ("size", "material"),
    [("wide", "Stoneware"), ("wide", LONG_MATERIAL), ("small", LONG_MATERIAL)],
)
def test_a_long_attribute_has_lines_of_its_own(browser: Browser, size: str, material: str) -> None:
    """It pushes out no other; a name stands nearer to its value than to the pair before."""
    device = StandInDevice()
    written = {"Material": material, "Volume": "280 ml"}
    with serving(device) as address, visiting(browser, address, SIZES[size]) as page:
        found = [(CUP, 0.91), (LAMP, 0.52), (SHELL, 0.47), (GEAR, 0.41)]
        if size == "small":
            found.pop()  # there is no room for three others and the attributes
        shown = device.sighting(Verdict.MATCH, found)
        best = replace(shown.matches[0], item=replace(shown.matches[0].item, attributes=written))
        device.latest.publish(replace(shown, matches=(best, *shown.matches[1:])))
        expect(page.locator(".title")).to_be_visible()
        expect(page.locator(".attributes")).to_be_visible()
        assert overflowing(page) == []
        name, value, other = (
            page.locator(f".attributes > :nth-child({place})").evaluate(WORDS_PLACE)
            for place in (1, 2, 3)
        )
        inside, between = value["left"] - name["right"], other["left"] - value["right"]
        assert other["top"] >= value["bottom"] - 1 or between >= 2 * inside


def test_words_from_right_to_left_and_a_long_price(browser: Browser) -> None:
    """Arabic and Hebrew have their own direction; a long price is whole, and pushes nothing out."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, address, KIOSK) as page:
        device.show(Verdict.MATCH, [(ARABIC, 0.91), (ARABIC, 0.5), (GEAR, 0.4)])
        expect(page.locator(".title")).to_contain_text("280")
        directions = page.evaluate("""() => [".title", ".location .clamp", ".next .name", ".price"]
            .map((at) => getComputedStyle(document.querySelector(at)).direction)""")
        assert directions == ["rtl", "rtl", "rtl", "ltr"]
        assert overflowing(page) == []
        for price in page.locator(".price, .next .cost").all():
            assert price.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
        assert page.locator(".next .name").first.evaluate("(e) => e.clientWidth") > 100
        shown = device.sighting(Verdict.MATCH, [(CUP, 0.9), (CUP, 0.5)])
        bare = replace(shown.matches[1].item, price="", location="")
        alone = replace(shown.matches[1], item=bare)
        device.latest.publish(replace(shown, matches=(shown.matches[0], alone)))
        expect(page.locator(".next .name")).to_have_text(["Blue stoneware cup"])
        assert page.locator(".next .row").evaluate(IS_LEVEL), "a name alone is beside its photo"
        for name in WITHOUT_WORDS:
            device.latest.publish(named(device, Verdict.MATCH, [name]))
            kept = page.locator(".title.is-cut .kept", has_text=name[:9])
            expect(kept).to_be_visible()
            more = len(FAMILY) if name.startswith(FAMILY) else 5
            assert kept.evaluate(IS_FULL, more), "a first word is not all that has room"
        assert kept.inner_text().endswith(FAMILY), "a sign of several parts is whole"
        device.latest.publish(named(device, Verdict.MATCH, [HEBREW, HEBREW]))
        for name in (".title", ".next .name"):
            expect(page.locator(name)).to_have_text(HEBREW)
            assert page.locator(name).evaluate(FIRST_LIES_RIGHT)
        assert not page.locator(".price").evaluate(FIRST_LIES_RIGHT)
        assert overflowing(page) == []
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        shown = device.sighting(Verdict.MATCH, [(LONG, 0.9)])
        alone = replace(shown.matches[0], item=replace(shown.matches[0].item, price=""))
        device.latest.publish(replace(shown, matches=(alone,)))
        expect(page.locator(".title.long")).to_be_visible()
        assert page.locator(".attributes").evaluate("(e) => e.clientWidth") > 0.8 * PHONE[0]
        device.show(Verdict.MATCH, [(LONG, 0.9)])
        expect(page.locator(".price")).to_be_visible()
        page.get_by_role("button", name="Open").click()
        gallery, title = (page.locator(f".item {part}") for part in (".gallery", ".title"))
        expect(title).to_be_visible()
        above, below = gallery.bounding_box(), title.bounding_box()
        assert above
        assert below
        assert above["y"] + above["height"] <= below["y"], "photos lie over the name"
        for width, height in (KIOSK, SMALL, PORTRAIT):
            page.set_viewport_size({"width": width, "height": height})
            expect(page.locator(".item .title.is-cut")).to_be_visible()
            expect(page.locator(".whole-name")).to_have_text(LONG_TITLE)
            cost, panel = (page.locator(at).bounding_box() for at in (".item .price", "#panel"))
            assert cost
            assert panel
            assert cost["y"] + cost["height"] <= panel["y"] + panel["height"] - 10, (
                "its price is seen"
            )
        assert page.locator(".item").evaluate(IS_SHADOW_COVERED)
        page.evaluate(MAKE_THE_PLACE_LONG)
        expect(page.locator(".whole-name")).to_be_hidden()  # no second time for a short name


def test_guesses_from_right_to_left_have_a_line_for_the_name(browser: Browser) -> None:
    """Place and price stand below it, though a long name is set smaller."""
    device = StandInDevice()
    with serving(device) as address, visiting(browser, f"{address}?lang=ar", SMALL) as page:
        show_state(device, "perhaps")
        expect(page.locator(".card").first).to_be_visible()
        for card in page.locator(".card:visible").all():
            above, below = (card.locator(part).bounding_box() for part in (".name", ".where"))
            assert above is not None
            assert below is not None
            assert below["y"] >= above["y"] + above["height"] - 1


def test_what_scrolls_shows_that_there_is_more(browser: Browser, device: StandInDevice) -> None:
    """A shadow lies at the end of a list that goes on."""
    with serving(device) as address, visiting(browser, address, KIOSK) as page:
        page.get_by_label("Search by name").fill("e")
        found = page.locator(".found")
        expect(found).to_be_visible()
        assert found.evaluate("(e) => e.scrollHeight > e.clientHeight")
        assert "gradient" in found.evaluate("(e) => getComputedStyle(e).backgroundImage")


IS_LEVEL = """(row) => {
  const place = (part) => row.querySelector(part).getBoundingClientRect();
  const [photo, name] = [place(".mat"), place(".name")];
  return Math.abs(photo.top + photo.bottom - name.top - name.bottom) < 4;
}"""
PARTS_OF_WORDS = """(title) => {
  let begin = 0;
  return title.textContent.split(" ").map((word) => {
    const range = document.createRange();
    range.setStart(title.firstChild, begin);
    range.setEnd(title.firstChild, begin + word.length);
    begin += word.length + 1;
    return range.getClientRects().length;
  });
}"""
WORDS_PLACE = """(element) => {
  const words = document.createRange();
  words.selectNodeContents(element);
  return words.getBoundingClientRect().toJSON();
}"""
FIRST_LIES_RIGHT = """(element) => {
  const [first, last] = [0, element.textContent.length - 1].map((at) => {
    const letter = document.createRange();
    letter.setStart(element.firstChild, at);
    letter.setEnd(element.firstChild, at + 1);
    return letter.getBoundingClientRect();
  });
  return first.left > last.right;
}"""
TEXT_SIZES = """(selectors) => selectors.map((selector) =>
  parseFloat(getComputedStyle(document.querySelector(selector)).fontSize))"""
