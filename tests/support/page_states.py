"""The states of the visitors' page, brought about one after the other on one loaded page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from playwright.sync_api import FilePayload, Page

from catalog.core.box import Box
from catalog.core.photos import encode_jpeg
from catalog.recognition.decision import Verdict
from edge.live import Outline
from edge.sighting import Place, ThingBeside
from tests.support.browsing import STATES
from tests.support.web_stand_in import (
    CUP,
    GEAR,
    WRENCH,
    StandInCatalogue,
    StandInDevice,
    draw_scene,
    show_state,
)

Show = Callable[[StandInDevice, Page], None]
ATTRACT_MS = 60_000
LINK_AWAY = "link-away"
FORMER = "document.querySelector('#panel > *').setAttribute('data-former', '')"

# Delays that can be changed while the page is open: milliseconds by milliseconds.
CHANGING_DELAYS = """window.delays = { 5000: 0 };
for (const kind of ["setTimeout", "setInterval"]) {
  const begin = window[kind];
  window[kind] = (act, ms, ...given) => begin(act, delays[ms] ?? ms, ...given);
}"""


def _tray(device: StandInDevice, page: Page) -> None:
    leading = device.show(Verdict.MATCH, [(CUP, 0.91), (WRENCH, 0.4)])
    left, right, low, far = (
        Place(x, y, 0.2, 0.3) for x, y in ((0.04, 0.1), (0.75, 0.1), (0.04, 0.6), (0.75, 0.6))
    )
    known = [device.sighting(Verdict.MATCH, [(thing, 0.9)]) for thing in (CUP, GEAR)]
    others = [
        ThingBeside(place, each.id, each.verdict, each.matches)
        for place, each in zip((left, right), known, strict=True)
    ]
    others += [ThingBeside(low, "unknown", Verdict.UNKNOWN), ThingBeside(far)]
    place = Place(0.39, 0.33, 0.29, 0.43)
    device.latest.lead(replace(leading, place=place, others=tuple(others)))
    page.locator(".tray").wait_for()


def _looking(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    device.thing = CUP
    device.picture.outline = Outline(Place(0.3, 0.2, 0.4, 0.5), is_looking=True)
    page.locator("#answer.is-looking").wait_for()


def _item(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.MATCH, [(GEAR, 0.91), (WRENCH, 0.5)])
    page.locator("button.open").click()
    page.locator(".item .title").wait_for()


def _search(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    page.locator("#words").fill("mo")
    page.locator(".found .row").first.wait_for()
    page.mouse.move(0, 0)


def _photo(device: StandInDevice, page: Page) -> None:
    device.show(Verdict.NOTHING, [])
    device.found = (Box(160, 90, 320, 320), Box(500, 300, 120, 120))
    photo = encode_jpeg(draw_scene(CUP), 640)
    file: FilePayload = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo}
    page.locator("#photo").set_input_files(file)
    page.locator(".photo-other").wait_for()
    page.locator(".match").wait_for()


def _attract(device: StandInDevice, page: Page) -> None:
    page.evaluate(f"window.delays[{ATTRACT_MS}] = 100")
    device.show(Verdict.NOTHING, [])
    page.keyboard.press("Shift")  # the time is counted from the last sign of somebody
    page.locator(".attract .card").first.wait_for()
    page.evaluate("window.delays = {}")


def _catalogue_away(device: StandInDevice, page: Page) -> None:
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
    "catalogue-away": _catalogue_away,
}
ONE_THING, WORDS = ".match:not(.item)", ".sentence:not(.attract)"
VIEWS = {
    "match": ONE_THING,
    "one_of": ".choice:not(.guess)",
    "perhaps": ".choice.guess",
    "unknown": f"{WORDS}:has(.advice .text-button)",
    "nothing": f"{WORDS}:not(:has(.text-button))",
    "long": ONE_THING,
    "hostile": ONE_THING,
    "offline": f"{WORDS}:has(.advice .text-button)",
    "tray": f"{ONE_THING}:has(.tray)",
    "looking": WORDS,
    "item": ".item",
    "search": ".found",
    "photo": ONE_THING,
    "attract": ".attract",
    "catalogue-away": WORDS,
    LINK_AWAY: f"{WORDS}:not(:has(.text-button))",
}
PAGE_STATES = (*SHOWS, LINK_AWAY)


def _leave(device: StandInDevice, page: Page, state: str) -> None:
    """Bring all back that a state changed but the answer."""
    device.opened = device.opened or StandInCatalogue()
    device.picture.outline = None
    device.found = ()
    if device.camera_now.state == "offline":
        device.go_online()
    if state in ("item", "search", "photo"):
        page.keyboard.press("Escape")
        page.locator("#result-bar").wait_for(state="hidden")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")


def walk(
    page: Page,
    address: str,
    device: StandInDevice,
    shown: Callable[[str], None],
    close: Callable[[], None] | None = None,
) -> None:
    """Load the page once, bring it into each of its states, and call `shown` with each.

    Args:
        page: An empty one.
        address: Of the page.
        device: What it shows.
        shown: Called when the panel shows the state.
        close: Ends the server, for the last state; None: without that.
    """
    page.add_init_script(CHANGING_DELAYS)
    page.goto(address, wait_until="domcontentloaded")
    page.locator("#picture").wait_for()
    for state, show in SHOWS.items():
        page.evaluate(FORMER)
        show(device, page)
        page.locator(f"#panel > {VIEWS[state]}:not([data-former])").wait_for()
        shown(state)
        _leave(device, page, state)
    if close:
        page.evaluate(FORMER)
        close()
        page.locator("#banner").wait_for()
        page.locator(f"#panel > {VIEWS[LINK_AWAY]}:not([data-former])").wait_for()
        shown(LINK_AWAY)
