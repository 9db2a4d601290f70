"""Screenshots of every state of the page, on every screen, as one sheet for each state.

    python -m tests.support.page_sheets FOLDER [STATE ...]

A sheet shows one state at five sizes, light and dark, in English and in Arabic; each screenshot
is kept beside it at its full size. Look at them against the criteria of docs/page.md.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

from catalog.core.box import Box
from catalog.recognition.decision import Verdict
from edge.live import Outline
from edge.sighting import Image, Place, ThingBeside
from tests.support.browsing import CHROMIUM, FLAGS, SIZES, STATES, hurry
from tests.support.drawing import draw_thing
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    WRENCH,
    StandInAnnouncement,
    StandInDevice,
    serving,
    show_state,
)

Show = Callable[[StandInDevice, Page], None]
SCHEMES, LANGUAGES = ("light", "dark"), ("en", "ar")
ADDRESSES = ["http://visual-search.local:8080/", "http://192.168.100.20:8080/"]
SETTLE_MS = 700  # pictures, a frame of the camera, the end of what moves
ATTRACT_MS = 60_000
HEIGHT = 480  # of a screenshot on a sheet, in pixels
EDGE, GREY = ((6, 6), (6, 6), (0, 0)), 128


def _tray(device: StandInDevice, page: Page) -> None:
    leading = device.show(Verdict.MATCH, [(CUP, 0.91), (WRENCH, 0.4)])
    place = Place(0.1, 0.1, 0.2, 0.3)
    known = [device.sighting(Verdict.MATCH, [(thing, 0.9)]) for thing in (CUP, GEAR)]
    others = [ThingBeside(place, each.id, each.verdict, each.matches) for each in known]
    others += [ThingBeside(place, "unknown", Verdict.UNKNOWN), ThingBeside(place)]
    device.latest.lead(replace(leading, others=tuple(others)))
    page.locator(".tray").wait_for()


def _looking(device: StandInDevice, page: Page) -> None:
    device.thing = CUP
    device.picture.outline = Outline(Place(0.3, 0.2, 0.4, 0.5), is_looking=True)
    page.locator("#looking").wait_for()


def _item(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.MATCH, [(GEAR, 0.91), (WRENCH, 0.5)])
    page.locator("button.open").click()
    page.locator(".item .title").wait_for()


def _search(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    page.locator("#words").fill("e")
    page.locator(".found .row").first.wait_for()


def _photo(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    device.found = (Box(40, 40, 120, 120), Box(200, 60, 80, 80))
    photo = cv2.imencode(".png", draw_thing(1, 0, 320))[1].tobytes()
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo}
    page.locator("#photo").set_input_files(file)
    page.locator("#result-words").wait_for()


def _attract(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    hurry(page, {ATTRACT_MS: 200})
    page.locator(".attract").wait_for()


def _away(device: StandInDevice, page: Page) -> None:
    device.opened = None
    device.show(Verdict.NOTHING, [])


def _state(name: str) -> Show:
    return lambda device, _: show_state(device, name)


SHOWS: dict[str, Show] = {
    **{name: _state(name) for name in STATES},
    "tray": _tray,
    "looking": _looking,
    "item": _item,
    "search": _search,
    "photo": _photo,
    "attract": _attract,
    "catalogue-away": _away,
}


def take(browser: Browser, state: str, size: str, scheme: str, language: str, file: Path) -> None:
    """Take one screenshot, by a device and a window of its own."""
    device = StandInDevice(lan=True)
    width, height = SIZES[size]
    is_phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        locale={"en": "en-GB", "ar": "ar-EG"}[language],
        is_mobile=is_phone,
        has_touch=is_phone,
    )
    with serving(device, announcement=StandInAnnouncement(ADDRESSES)) as address:
        page = context.new_page()
        page.goto(f"{address}?kiosk" if state == "attract" else address)
        page.locator("#picture").wait_for()
        SHOWS[state](device, page)
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=file)
    context.close()


def sheet(files: Sequence[Sequence[Path]]) -> Image:
    """Put rows of screenshots on one sheet, all of them of one height."""
    rows = []
    for row in files:
        pictures = [np.asarray(cv2.imread(str(file)), np.uint8) for file in row]
        widths = [round(picture.shape[1] * HEIGHT / picture.shape[0]) for picture in pictures]
        small = [
            cv2.resize(picture, (width, HEIGHT), interpolation=cv2.INTER_AREA)
            for picture, width in zip(pictures, widths, strict=True)
        ]
        rows.append(np.hstack([np.pad(each, EDGE, constant_values=GREY) for each in small]))
    return np.vstack(rows).astype(np.uint8)


def main() -> None:
    """Take the screenshots of all states, or of some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", metavar="STATE", help=f"of {', '.join(SHOWS)}")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for state in given.states or SHOWS:
            folder = given.folder / state
            folder.mkdir(parents=True, exist_ok=True)
            rows = []
            for scheme, language in itertools.product(SCHEMES, LANGUAGES):
                rows.append([folder / f"{size}-{scheme}-{language}.png" for size in SIZES])
                for size, file in zip(SIZES, rows[-1], strict=True):
                    take(browser, state, size, scheme, language, file)
            cv2.imwrite(str(given.folder / f"{state}.png"), sheet(rows))
            print(given.folder / f"{state}.png", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
