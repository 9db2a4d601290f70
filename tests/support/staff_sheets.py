"""What the staff's pages show, in the order in which a person goes through them.

`tests.support.page_sheets` takes the screenshots, of a device that was a week in its shop, and of
a fresh device.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from playwright.sync_api import Page, Route

from edge.cameras import CameraInfo
from edge.cameras.refusals import IN_USE
from edge.setup.on_page import PageSetup
from edge.web.staff.pin import HASH_FILE
from tests.support.served_page import serving
from tests.support.shop_week import let_a_week_pass
from tests.support.taught_device import PIN, TaughtDevice
from tests.support.web_stand_in import CUP, GEAR, ITEMS, SHELL, StandInDevice, draw_scene

ALL_LOADED = "(some) => [...document.querySelectorAll(some)].every((picture) => picture.complete)"
Shoot = Callable[[str], None]  # takes the screenshot of a state
STAFF_STATES = (
    "staff-first-pin",
    "staff-pin",
    "staff-empty",
    "staff-begin",
    "staff-lesson",
    "staff-named",
    "staff-chosen",
    "staff-same-name",
    "staff-saved",
    "staff-looks",
    "staff-judging",
    "staff-missing",
    "staff-history",
    "staff-forgetting",
    "staff-taught",
    "staff-correcting",
    "staff-settings",
    "staff-changed",
    "staff-device",
    "staff-log",
    "staff-unwell",
    "staff-blind",
    "staff-setup-pin",
    "staff-setup",
    "staff-setup-more",
    "staff-setup-done",
)


def walk(page: Page, device: TaughtDevice, shoot: Shoot) -> None:
    """Go through the staff's area, from the first PIN to the log."""
    _enter(page, device, shoot)
    seen = let_a_week_pass(device)
    for sighting in seen[:2]:
        device.appliance.latest.publish(sighting)
    page.reload()
    page.locator("#pin").fill(PIN)
    page.locator("#enter [type=submit]").click()
    page.locator("#looks-list .look").first.wait_for()
    shoot("staff-begin")
    _teach(page, device, shoot)
    for sighting in seen[2:]:
        device.appliance.latest.publish(sighting)

    def show(part: str, place: str = "start") -> None:
        page.locator(part).evaluate("(part, block) => part.scrollIntoView({block})", place)

    page.locator("#looks-renew").click()
    page.locator("#missing-renew").click()
    page.locator("#missing-groups > li").first.wait_for()
    page.locator("#looks-list .look").nth(7).wait_for()
    show("#looks")
    shoot("staff-looks")
    look = page.locator("#looks-list .look").nth(2)
    look.locator(".choices .button").nth(-2).click()
    look.get_by_role("searchbox").fill("cup")
    look.locator(".offer").first.wait_for()
    look.evaluate("(part) => part.scrollIntoView()")
    shoot("staff-judging")
    for card in ("missing", "history"):
        show(f"#{card}")
        shoot(f"staff-{card}")
    page.locator("#history-forget button").click()
    show("#history", "end")
    shoot("staff-forgetting")
    page.locator("#taught-items .danger").nth(1).click()
    show("#taught")
    shoot("staff-taught")
    page.locator("#taught-items .choices .button:not(.danger)").first.click()
    page.locator("#taught-items [name=title]").fill(ITEMS[CUP].title)
    page.locator("#taught-items form .strong").click()
    page.locator("#taught-items .wrong:not(:empty)").wait_for()
    show("#taught-items form", "center")
    shoot("staff-correcting")
    show("#settings")
    shoot("staff-settings")
    page.locator("[id='setting-page.name']").fill("Corner shop")
    page.locator("#settings-save").click()
    page.locator("#settings-restart button").click()
    show("#settings", "end")
    shoot("staff-changed")
    show("#device")
    shoot("staff-device")
    page.locator("#log summary").click()
    page.locator("#log-lines", has_text="WARNING").wait_for()
    show("#log", "end")
    shoot("staff-log")
    device.hand.close()
    page.locator("#findings li:first-child.wrong-state").wait_for()
    show("#device")
    shoot("staff-unwell")
    page.locator("#teach-begin").click()
    page.locator("#picture-note").wait_for()
    shoot("staff-blind")


def _enter(page: Page, device: TaughtDevice, shoot: Shoot) -> None:
    pin_hash = device.folder / HASH_FILE
    kept = pin_hash.read_bytes()
    pin_hash.unlink()
    page.goto(f"{device.url.replace('127.0.0.1', 'localhost')}/staff")
    page.locator("#enter").wait_for()
    shoot("staff-first-pin")
    pin_hash.write_bytes(kept)
    page.route("**/api/staff/session", _from_elsewhere)
    page.goto(f"{device.url}/staff")
    page.locator("#enter-plain").wait_for()
    page.unroute_all(behavior="wait")
    page.locator("#pin").fill("771350")
    page.locator("#enter [type=submit]").click()
    page.locator("#enter-wrong").wait_for()
    shoot("staff-pin")
    page.locator("#pin").fill(PIN)
    page.locator("#enter [type=submit]").click()
    page.locator("#teach-begin").wait_for()
    page.locator("#findings li").first.wait_for()
    shoot("staff-empty")


def _from_elsewhere(route: Route) -> None:
    """Answer as the device does where the link is not encrypted, and where a code is asked for."""
    answer = route.fetch()
    route.fulfill(response=answer, json=answer.json() | {"encrypted": False, "takes_code": True})


def _teach(page: Page, device: TaughtDevice, shoot: Shoot) -> None:
    page.locator("#teach-begin").click()
    for side in range(2):
        device.hand.show(SHELL, side)
        page.locator("#views li").nth(side).wait_for()
    shoot("staff-lesson")
    device.hand.show(SHELL, 2)
    page.locator("#views li").nth(2).wait_for()
    page.locator("#title").fill("cup")
    page.locator("#offers .offer").first.wait_for()
    page.locator("#naming summary").click()
    page.locator("#naming").scroll_into_view_if_needed()
    shoot("staff-named")
    page.locator("#offers .offer").first.click()
    page.locator("#chosen").wait_for()
    page.locator("#teach").evaluate("(card) => card.scrollIntoView()")
    shoot("staff-chosen")
    page.locator("#unchoose").click()
    page.locator("#title").fill(ITEMS[CUP].title)
    page.locator("#teach-save").click()
    page.locator("#same").wait_for()
    shoot("staff-same-name")
    page.locator("#title").fill("Nautilus shell, polished")
    page.locator("#teach-save").click()
    page.locator("#teach-done").wait_for()
    shoot("staff-saved")


@contextmanager
def fresh_device(catalogue: Path, folder: Path) -> Iterator[str]:
    """Serve the page of a device without a catalogue and a PIN; gives its address."""
    names = {"HD Pro Webcam C920": GEAR, "Integrated Camera: Integrated C": CUP}
    cameras = []
    for name, thing in names.items():
        pictures = folder / name
        pictures.mkdir(parents=True)
        cv2.imwrite(str(pictures / "0.png"), draw_scene(thing))
        cameras.append(CameraInfo(str(pictures), name))
    busy = CameraInfo("/dev/video4", "USB 2.0 Camera", problem=IN_USE)
    shutil.copytree(catalogue, folder / "media" / "STICK" / catalogue.name)
    file = folder / "visual-search.toml"
    file.write_text(f'[device]\ndata_dir = "{folder / "data"}"\n')
    setup = PageSetup(
        file, lambda: None, list_all=lambda: [*cameras, busy], sticks=[folder / "media"]
    )
    device = StandInDevice(lan=True, opened=None)
    with serving(device, state_folder=folder / "data" / "state", setup=setup) as web:
        yield web.url.replace("127.0.0.1", "localhost")


def walk_setup(page: Page, address: str, shoot: Shoot) -> None:
    """Go through the setup of a fresh device."""
    page.route("**/api/staff/session", _from_elsewhere)
    page.goto(f"{address}/setup")
    page.locator("#enter").wait_for()
    shoot("staff-setup-pin")
    page.unroute_all(behavior="wait")
    page.reload()
    page.locator("#pin").fill(PIN)
    page.locator("#enter [type=submit]").click()
    page.locator("#setup").wait_for()
    page.locator(".cameras input").first.check()
    page.wait_for_function(ALL_LOADED, arg=".cameras img")
    page.locator(".brand").scroll_into_view_if_needed()
    shoot("staff-setup")
    catalogue = page.locator("#catalogue")
    stick = catalogue.input_value()
    catalogue.select_option("address")
    page.locator("#apply").scroll_into_view_if_needed()
    shoot("staff-setup-more")
    catalogue.select_option(stick)
    page.locator("#apply").click()
    page.locator("#finished").wait_for()
    shoot("staff-setup-done")
