"""What the staff's pages show, in the order in which a person goes through them.

`tests.support.page_sheets` takes the screenshots, of a running device with a catalogue of drawn
things, and of a fresh device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from catalog.building.build import build
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from edge.cameras import CameraInfo
from edge.setup.on_page import PageSetup
from edge.web.staff.pin import HASH_FILE
from tests.support.drawing import write_things
from tests.support.networks import write_featurizer
from tests.support.served_page import serving
from tests.support.taught_device import PIN, TaughtDevice
from tests.support.web_stand_in import StandInDevice

Shoot = Callable[[str], None]  # takes the screenshot of a state
THINGS, PHOTOS, NEW = 6, 4, 9
CARDS = ("looks", "missing", "history", "taught", "settings", "device")
STAFF_STATES = (
    "staff-first-pin",
    "staff-pin",
    "staff-begin",
    "staff-lesson",
    "staff-named",
    "staff-saved",
    *(f"staff-{card}" for card in CARDS),
    "staff-log",
    "staff-setup-pin",
    "staff-setup",
)


def small_catalogue(folder: Path) -> Path:
    """Build a catalogue of a few drawn things, for the staff's device."""
    source = read_source(write_things(folder / "things", THINGS, PHOTOS)).items
    network = Featurizer.open(write_featurizer(folder / "network"))
    build(source, folder / "small.bundle", network, folder / "cache", "Small")
    return folder / "small.bundle"


def walk(page: Page, device: TaughtDevice, shoot: Shoot) -> None:
    """Go through the staff's area, from the first PIN to the log."""
    pin_hash = device.folder / HASH_FILE
    kept = pin_hash.read_bytes()
    pin_hash.unlink()
    page.goto(f"{device.url.replace('127.0.0.1', 'localhost')}/staff")
    page.locator("#enter").wait_for()
    shoot("staff-first-pin")
    pin_hash.write_bytes(kept)
    page.goto(f"{device.url}/staff")
    page.locator("#pin").fill("771350")
    page.locator("#enter [type=submit]").click()
    page.locator("#enter-wrong").wait_for()
    shoot("staff-pin")
    page.locator("#pin").fill(PIN)
    page.locator("#enter [type=submit]").click()
    page.locator("#teach-begin").wait_for()
    shoot("staff-begin")
    device.hand.show(NEW)
    page.locator("#teach-begin").click()
    for side in range(2):
        device.hand.show(NEW, side)
        page.locator("#views li").nth(side).wait_for()
    shoot("staff-lesson")
    device.hand.show(NEW, 2)
    page.locator("#views li").nth(2).wait_for()
    page.locator("#title").fill("thing 0")
    page.locator("#offers .offer").first.wait_for()
    page.locator("#naming summary").click()
    page.locator("#naming").scroll_into_view_if_needed()
    shoot("staff-named")
    page.locator("#title").fill("Yellow egg cup")
    page.locator("#teach-save").click()
    page.locator("#teach-done").wait_for()
    shoot("staff-saved")
    device.hand.show(2)
    page.wait_for_timeout(1000)
    page.locator("#looks-renew").click()
    page.locator("#missing-renew").click()
    page.locator("#history-words").fill("thing")
    page.locator("#history-words").fill("")
    page.locator("#looks-list .look").first.wait_for()
    for card in CARDS:
        page.locator(f"#{card}").evaluate("(card) => card.scrollIntoView()")
        shoot(f"staff-{card}")
    page.locator("#log summary").click()
    page.locator("#log").evaluate("(card) => card.scrollIntoView({block: 'end'})")
    shoot("staff-log")


@contextmanager
def fresh_device(folder: Path) -> Iterator[str]:
    """Serve the page of a device without a catalogue and a PIN; gives its address."""
    folder.mkdir(parents=True)
    pictures = write_things(folder / "pictures", 1, 1) / "thing-00"
    file = folder / "visual-search.toml"
    file.write_text(f'[device]\ndata_dir = "{folder / "data"}"\n')
    setup = PageSetup(
        file,
        lambda: None,
        list_all=lambda: [CameraInfo(str(pictures), "A folder of pictures")],
        sticks=[folder / "media"],
    )
    device = StandInDevice(lan=True, opened=None)
    with serving(device, state_folder=folder / "data" / "state", setup=setup) as web:
        yield web.url.replace("127.0.0.1", "localhost")


def walk_setup(page: Page, address: str, shoot: Shoot) -> None:
    """Go through the setup of a fresh device."""
    page.goto(f"{address}/setup")
    page.locator("#enter").wait_for()
    shoot("staff-setup-pin")
    page.locator("#pin").fill(PIN)
    page.locator("#enter [type=submit]").click()
    page.locator("#setup").wait_for()
    page.locator(".cameras img").first.wait_for()
    shoot("staff-setup")
