"""Screenshots of every state of all pages, on every screen, as one sheet for each state.

    python -m tests.support.page_sheets FOLDER [STATE ...]

A sheet shows one state at five sizes, light and dark, in English and in Arabic; each screenshot
is kept beside it at its full size. A state of the staff's pages brings all others of them.
`page-states.png` has some of all. Look at them against the criteria of docs/page.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from edge.sighting import Image
from tests.support.browsing import CHROMIUM, FLAGS, SIZES
from tests.support.page_states import PAGE_STATES
from tests.support.page_states import walk as walk_page
from tests.support.shop_week import Counter, shop_catalogue
from tests.support.staff_sheets import STAFF_STATES, fresh_device, walk, walk_setup
from tests.support.taught_device import taught_device
from tests.support.web_stand_in import (
    StandInAnnouncement,
    StandInDevice,
    serving,
)

SCHEMES, LANGUAGES = ("light", "dark"), ("en", "ar")
ADDRESSES = ["http://visual-search.local:8080/", "http://192.168.100.20:8080/"]
SETTLE_MS = 700  # pictures, a frame of the camera, the end of what moves
HEIGHT = 480  # of a screenshot on a sheet, in pixels
EDGE, GREY = ((6, 6), (6, 6), (0, 0)), 128


# Of all, for docs/page-states.png: each state of a kiosk but noise, and some at other sizes.
KIOSK_ROWS = (
    "attract nothing looking match",
    "one_of perhaps unknown tray",
    "item search photo long",
    "offline catalogue-away link-away",
)
CHOSEN = (
    *(" ".join(f"{state}/kiosk-light-en" for state in row.split()) for row in KIOSK_ROWS[:-1]),
    " ".join(f"{state}/kiosk-light-en" for state in KIOSK_ROWS[-1].split())
    + " match/kiosk-dark-ar",
    "match/small-light-en perhaps/small-dark-ar tray/wide-dark-en",
    "attract/portrait-light-en one_of/portrait-dark-ar match/phone-light-en perhaps/phone-dark-ar "
    "item/phone-light-en staff-settings/phone-light-en staff-device/phone-light-en",
)
CHOSEN_WIDTH = 1640  # pixels
COLOUR_STEP = 8  # of 256; with fewer colours the file is a third smaller


@contextlib.contextmanager
def window(browser: Browser, size: str, scheme: str, language: str) -> Iterator[Page]:
    """Open a window on a screen of this size."""
    width, height = SIZES[size]
    is_phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        locale={"en": "en-GB", "ar": "ar-EG"}[language],
        is_mobile=is_phone,
        has_touch=is_phone,
    )
    context.set_default_timeout(60_000)
    try:
        yield context.new_page()
    finally:
        context.close()


def take(page: Page, folder: Path, name: str, wanted: Collection[str]) -> None:
    """Take the screenshots of some states of the visitors' page, by a device of its own."""

    def keep(state: str) -> None:
        if state in wanted:
            shoot(page, folder / state / f"{name}.png")

    device = StandInDevice(lan=True)
    with contextlib.ExitStack() as served:
        announcement = StandInAnnouncement(ADDRESSES)
        address = served.enter_context(serving(device, announcement=announcement))
        walk_page(page, address, device, keep, served.close)


def take_staff(page: Page, catalogue: Path, folder: Path, name: str) -> None:
    """Take the screenshots of all states of the staff's pages, by two devices of their own."""

    def keep(state: str) -> None:
        shoot(page, folder / state / f"{name}.png")

    with tempfile.TemporaryDirectory() as data:
        state = Path(data, "state")
        with taught_device(catalogue, state, Counter(), keep_looks=True) as device:
            walk(page, device, keep)
        with fresh_device(catalogue, Path(data, "fresh")) as address:
            walk_setup(page, address, keep)


def shoot(page: Page, file: Path) -> None:
    """Take a screenshot when nothing moves any more."""
    page.wait_for_timeout(SETTLE_MS)
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file, animations="disabled")


def sheet(files: Sequence[Sequence[Path]], width: int | None = None) -> Image:
    """Put rows of screenshots on one sheet.

    Args:
        files: The screenshots of each row.
        width: Each row is about as wide, in pixels; None: each has one height.
    """
    rows = []
    for row in files:
        pictures = [np.asarray(cv2.imread(str(file)), np.uint8) for file in row]
        sides = [picture.shape[1] / picture.shape[0] for picture in pictures]
        height = round((width - 12 * len(row)) / sum(sides)) if width else HEIGHT
        small = [
            cv2.resize(picture, (round(side * height), height), interpolation=cv2.INTER_AREA)
            for picture, side in zip(pictures, sides, strict=True)
        ]
        rows.append(np.hstack([np.pad(each, EDGE, constant_values=GREY) for each in small]))
    widest = max(row.shape[1] for row in rows)
    left = [((0, 0), (0, widest - row.shape[1]), (0, 0)) for row in rows]
    even = [np.pad(row, pad, constant_values=GREY) for row, pad in zip(rows, left, strict=True)]
    return np.vstack(even).astype(np.uint8)


def main() -> None:
    """Take the screenshots of all states, or of some."""
    states = [*PAGE_STATES, *STAFF_STATES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", metavar="STATE", help=f"of {', '.join(states)}")
    given = parser.parse_args()
    wanted = given.states or states
    windows = list(itertools.product(SCHEMES, LANGUAGES, SIZES))
    names = [f"{size}-{scheme}-{language}" for scheme, language, size in windows]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as data:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        catalogue = shop_catalogue(Path(data)) if {*wanted} & {*STAFF_STATES} else None
        for name, (scheme, language, size) in zip(names, windows, strict=True):
            with window(browser, size, scheme, language) as page:
                if {*wanted} & {*PAGE_STATES}:
                    take(page, given.folder, name, wanted)
                if catalogue is not None:
                    take_staff(page, catalogue, given.folder, name)
            print(name, flush=True)
        browser.close()
    for state in wanted:
        files = [given.folder / state / f"{name}.png" for name in names]
        rows = [files[at : at + len(SIZES)] for at in range(0, len(files), len(SIZES))]
        cv2.imwrite(str(given.folder / f"{state}.png"), sheet(rows))
    chosen = [[given.folder / f"{name}.png" for name in row.split()] for row in CHOSEN]
    if all(file.exists() for row in chosen for file in row):
        file = given.folder / "page-states.png"
        few = (sheet(chosen, CHOSEN_WIDTH) // COLOUR_STEP + 0.5) * COLOUR_STEP
        cv2.imwrite(str(file), few.astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
