"""A visitor's browser, a real Chromium, and what it shows of the page."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
)

from tests.support.stopwatch import slowness

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()
KIOSK, WIDE, PHONE, TABLET = (800, 480), (1920, 1080), (390, 844), (768, 1024)
SMALL, PORTRAIT = (1024, 600), (600, 1024)
SIZES = {"kiosk": KIOSK, "small": SMALL, "portrait": PORTRAIT, "wide": WIDE, "phone": PHONE}
STATES = ("match", "one_of", "perhaps", "unknown", "nothing", "long", "hostile", "offline")
SECONDS = 1000  # Playwright counts milliseconds


def within(seconds: float) -> float:
    """Playwright's time-out for something that must happen by then; longer on a busy machine."""
    return seconds * SECONDS * slowness()


@contextlib.contextmanager
def visiting(
    browser: Browser,
    address: str,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    *,
    locale: str = "en-GB",
    server_may_be_away: bool = False,
) -> Iterator[Page]:
    """Open a page at `address`; its console must have no errors or warnings."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=locale,
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
        assert complaints == [], complaints
    finally:
        context.close()


OTHER_DELAYS = """for (const kind of ["setTimeout", "setInterval"]) {
  const begin = window[kind];
  window[kind] = (act, ms, ...given) => begin(act, delays[ms] ?? ms, ...given);
}"""

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
    for (const card of document.querySelectorAll(".card")) { // the line that says it can be touched
        const pair = [light(numbers(getComputedStyle(card).borderTopColor)), light(ground(card))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 3) faint.push(`a card's line ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


def hurry(page: Page, delays: dict[int, int]) -> None:
    """Load the page anew, with other delays in place of some: milliseconds by milliseconds."""
    page.add_init_script(f"const delays = {json.dumps(delays)}; {OTHER_DELAYS}")
    page.reload(wait_until="domcontentloaded")


def tab_to(page: Page, wanted: Locator) -> None:
    """Go to something by the Tab key."""
    wanted.wait_for()
    for _ in range(80):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {wanted}")


def press_on(page: Page, wanted: Locator) -> None:
    """Go to something by the Tab key, and press Enter on it."""
    tab_to(page, wanted)
    page.keyboard.press("Enter")


def overflowing(page: Page) -> list[str]:
    """The elements that reach out of the answer; on a phone the answer may scroll."""
    found: list[str] = page.evaluate("""() => {
        const answer = document.querySelector("#answer").getBoundingClientRect();
        const outside = [];
        for (const element of document.querySelectorAll("#panel *")) {
            if (!element.checkVisibility()) continue;
            const box = element.getBoundingClientRect();
            const aside = box.right > answer.right + 1 || box.left < answer.left - 1;
            const below = box.bottom > answer.bottom + 1;
            if ((aside && !element.closest(".strip, .similar")) || // these scroll
                (below && !element.closest(".item, .found"))) {
                outside.push(element.className || element.tagName);
            }
        }
        const bottom = (part) => part.getBoundingClientRect().bottom;
        const sentence = document.querySelector("#panel > .sentence");
        if (sentence && bottom(sentence.lastElementChild) > bottom(sentence) - 8) {
            outside.push("the sentence touches the edge");
        }
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


def stand_in_process(port: int, state: str, streams: int = 48) -> tuple[subprocess.Popen[str], int]:
    """Start a stand-in device in a process of its own; gives the process and its port."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.support.web_stand_in",
            "--port",
            str(port),
            "--state",
            state,
            "--streams",
            str(streams),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    found = re.search(r":(\d+)/", process.stdout.readline())
    assert found, "the stand-in did not start"
    return process, int(found[1])
