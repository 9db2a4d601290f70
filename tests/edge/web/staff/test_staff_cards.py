"""The cards of the staff's page in a real Chromium, filled, with the keyboard and in Arabic."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.edge.appliance.test_appliance import until
from tests.edge.web.staff.test_judging_page import judgements, seen
from tests.edge.web.staff.test_staff_page import page
from tests.support.accessibility import violations
from tests.support.browsing import press_on, tab_to
from tests.support.lessons import NEW
from tests.support.page_faults import faults
from tests.support.taught_device import PIN, TaughtDevice, taught_device

__all__ = ["page"]  # a fixture

# What the page makes of a text of the device.
SENTENCE = """(text) => import("./static/sentence.js")
  .then(({ asSentence }) => asSentence(text))"""

pytestmark = pytest.mark.slow


@pytest.fixture
def device(small_bundle: Path, tmp_path: Path) -> Iterator[TaughtDevice]:
    """A device that keeps looks."""
    with taught_device(small_bundle, tmp_path / "state", keep_looks=True) as device:
        yield device


def told(device: TaughtDevice, sighting: str, said: dict[str, object]) -> None:
    """Let a visitor say something at the device's own screen."""
    assert device.ask("POST", f"/api/sightings/{sighting}/visitor", json=said)["noted"]


def history_is_kept(device: TaughtDevice) -> None:
    """Wait until all that was said before is in the history, which each card reads once."""
    assert device.appliance.history is not None
    assert device.appliance.history.flush(60)


def unknown(device: TaughtDevice) -> dict[str, Any]:
    """Hold a thing before the camera that the catalogue does not have; gives the sighting."""
    device.hand.show(NEW)

    def shown() -> dict[str, Any] | None:
        sighting: dict[str, Any] | None = device.ask("GET", "/api/latest")["sighting"]
        return sighting if sighting and sighting["verdict"] == "unknown" else None

    return dict(until(shown))


def choose_with_keys(page: Page, select: Locator, steps: int) -> None:
    tab_to(page, select)
    for _ in range(steps):
        page.keyboard.press("ArrowDown")


def test_every_card_with_the_keyboard_alone_and_in_arabic(device: TaughtDevice, page: Page) -> None:
    foreign = unknown(device)
    told(device, foreign["id"], {"wanted": True})
    guesses = foreign.get("guesses")
    named = seen(device, 2)
    sighting = device.ask("GET", "/api/latest")["sighting"]
    other = sighting["matches"][0]
    told(device, named, {"chosen": other["sku"]})
    history_is_kept(device)
    page.goto(f"{device.url}/staff")
    expect(page.get_by_label("PIN")).to_be_focused()
    page.keyboard.type(f"{PIN}\n")

    missing = page.locator("#missing-groups > li")
    expect(missing).to_have_count(1)
    expect(missing).to_contain_text("A visitor asked for it.")
    assert missing.get_by_role("img").evaluate("(image) => image.decode().then(() => 1)")

    look = page.locator("#looks-list > li").filter(has_text="thing 02")
    right = look.get_by_role("button", name=f"Right: {other['title']}, as a visitor said")
    press_on(page, right)
    expect(look.get_by_text(f"It is {other['title']}.")).to_be_visible()
    assert judgements(device)[named] == ("item", other["sku"])

    export = page.locator("#taught-export")
    with page.expect_download() as downloading:
        press_on(page, export)
    with zipfile.ZipFile(downloading.value.path()) as kept:
        assert "items.csv" in kept.namelist()
        assert sum(name.endswith(".jpg") for name in kept.namelist()) == 1

    history = page.locator("#history")
    rows = history.locator("#history-list > li")
    expect(rows.filter(has_text="thing 02").first).to_be_visible()
    choose_with_keys(page, history.get_by_label("Answer"), 3 if guesses else 4)
    expect(rows.filter(has_text="Recognised")).to_have_count(0)
    expect(rows.first).to_contain_text("Perhaps one of these" if guesses else "Unknown")

    settings = page.locator("#settings")
    tab_to(page, settings.get_by_label("The first sentence"))
    page.keyboard.type("Hello\n")
    expect(settings.get_by_role("status")).to_contain_text("Changed.")

    card = page.locator("#device")
    press_on(page, card.get_by_role("button", name="Look for a new catalogue"))
    expect(card.get_by_role("status")).to_contain_text("a bundle of its own")
    press_on(page, card.get_by_role("button", name="Reopen the camera"))
    expect(card.get_by_role("status")).to_have_text("The camera is opened again.")
    press_on(page, card.get_by_text("The log"))
    expect(page.locator("#log-lines")).to_contain_text("is opened again")
    tab_to(page, page.locator("#log-lines"))

    page.goto(f"{device.url}/staff?lang=ar")
    page.locator("#pin").fill(PIN)
    page.keyboard.press("Enter")
    for filled in ("#missing-groups", "#looks-list", "#history-list", "#taught-items"):
        expect(page.locator(f"{filled} > li").first).to_be_visible()
    chosen = page.locator("#history-list .soft", has_text="اختار زائر")
    expect(chosen.first).to_have_text(re.compile("^\\d"))  # no sign before it turns its order
    day = page.evaluate("import('./static/words.js').then(({ clock }) => clock(0))")
    assert re.fullmatch("[^,،]+،[^,،]+", day), "its comma is that of the language"
    page.locator("#history-list .choices .button").first.click()
    page.locator("#log summary").click()
    assert violations(page) == []
    assert faults(page) == []
    page.locator(".ways a").last.click()
    expect(page.locator("#device-title")).to_be_in_viewport()
    device.hand.close()
    finding = page.locator(".finding").first
    expect(finding).to_contain_text("افحص قابسها وطاقتها؛")
    command = finding.locator(".remedy .whole")
    expect(command).to_have_text("«visual-search doctor»")
    line = "(line) => parseFloat(getComputedStyle(line).lineHeight)"
    assert command.evaluate("(part) => part.offsetHeight") < 1.5 * command.evaluate(line)
    built = page.locator(".finding").nth(1).locator("p").first
    expect(built).not_to_have_text(re.compile("\\dZ-"))  # a catalogue's id
    ended = page.evaluate(SENTENCE, "قبل: \u2068no way\u2069")
    assert ended.endswith(".\u2069"), "the full stop of English words"
    counted = page.evaluate(
        SENTENCE, "\u2068Corner shop\u2069، \u2068B-1\u2069: العدد \u20686\u2069"
    )
    assert counted.endswith("6\u2069."), "the full stop of the sentence"
    expect(page.locator(".finding", has_text="GB are free")).to_have_count(0)
