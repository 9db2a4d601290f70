"""The page's main paths in Firefox and WebKit; `test_page` has all of them in Chromium."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from catalog.recognition.decision import Verdict
from tests.support.engines import ENGINES, FIREFOX, WEBKIT, Engine, await_true
from tests.support.lessons import NEW
from tests.support.ports import free_port
from tests.support.stopwatch import Stopwatch
from tests.support.taught_device import PIN, taught_device
from tests.support.web_stand_in import CUP, GEAR, LAMP, WRENCH, StandInDevice, draw_look, serving

LIVE = "!document.querySelector('#picture').hidden"
COUNT_PICTURES = """window.drawn = 0;
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...given) {
  window.drawn += 1;
  return draw.apply(this, given);
};"""


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if not all(program.exists() for program in (FIREFOX, WEBKIT)):
        pytest.skip("Firefox or WebKit is not installed")
    with contextlib.closing(ENGINES[request.param]()) as opened:
        yield opened


@pytest.fixture
def device() -> StandInDevice:
    return StandInDevice()


@pytest.fixture
def page(engine: Engine, device: StandInDevice) -> Iterator[str]:
    """The address of a page that the engine shows, with its live picture."""
    with serving(device) as address:
        engine.open(address)
        await_true(engine, LIVE)
        yield address
        engine.open("about:blank")


def text(selector: str, words: str) -> str:
    """A JavaScript expression: whether an element has exactly these words."""
    own = f"document.querySelector({selector!r})?.textContent.replaceAll('\\u00a0', ' ').trim()"
    return f"{own} === {words!r}"


def test_live_picture_at_once(engine: Engine, device: StandInDevice) -> None:
    """It is there within two seconds of opening, and it moves."""
    with serving(device) as address:
        engine.open("about:blank")
        with Stopwatch() as opening:
            engine.open(address)
            await_true(engine, LIVE)
        assert opening.seconds < 2
        engine.script(COUNT_PICTURES)
        await_true(engine, "drawn >= 3")
        await_true(engine, text("#status-camera", "Camera on"))
        engine.open("about:blank")


def test_match_appears_then_one_of_these(engine: Engine, page: str, device: StandInDevice) -> None:
    """All that a visitor wants to know is there, and the pictures load."""
    device.show(Verdict.MATCH, [(CUP, 0.91), (GEAR, 0.5), (WRENCH, 0.4)])
    await_true(engine, text(".match .title", "Blue stoneware cup"))
    assert engine.script(f"return {text('.price', '€ 14.50')}")
    assert engine.script(f"return {text('.location', 'Shelf A 3')}")
    await_true(
        engine,
        "[...document.querySelectorAll('#panel img, #look img')]"
        ".every((image) => image.complete && image.naturalWidth > 0)",
    )
    device.show(Verdict.ONE_OF, [(GEAR, 0.74), (WRENCH, 0.72)])
    await_true(engine, text(".heading", "Probably one of these"))
    await_true(engine, "document.querySelectorAll('.card').length === 2")


def test_attribute_names_begin_with_a_capital(
    engine: Engine, page: str, device: StandInDevice
) -> None:
    """Whatever their catalogue writes; and no engine cuts a word or a number from its unit."""
    device.show(Verdict.MATCH, [(LAMP, 0.9)])
    await_true(engine, text(".attributes dt", "Colour"))
    assert engine.script("return getComputedStyle(document.querySelector('dt')).hyphens") != "auto"
    assert engine.script("return document.querySelector('.price').textContent") == "€\u00a089.00"


def test_search_by_name_and_back_to_live(engine: Engine, page: str) -> None:
    """Results come while typing."""
    engine.find("#words").send_keys("17 mm wrench")
    await_true(engine, text(".item .title", "Combination wrench, 17 mm"))
    engine.find("#back").click()
    await_true(engine, text(".sentence .words", "Hold something in front of the camera"))


def test_search_with_a_photo(
    engine: Engine, page: str, device: StandInDevice, tmp_path: Path
) -> None:
    """The answer has the same form as that of the camera."""
    photo = tmp_path / "gear.jpg"
    photo.write_bytes(draw_look(GEAR))
    device.answer = GEAR
    engine.find("#photo").send_keys(str(photo))
    await_true(engine, text(".title", "Spur gear, 24 teeth, module 1.5"))
    assert engine.script(f"return {text('#result-words', 'Your photo')}")


def test_lost_link_comes_back(engine: Engine) -> None:
    """The page says that it is lost, shows no old picture, and recovers by itself."""
    with contextlib.ExitStack() as first:
        port = free_port()
        address = first.enter_context(serving(StandInDevice(), port=port))
        engine.open(address)
        await_true(engine, LIVE)
        engine.script("window.sameDocument = true")
        first.close()
        await_true(engine, text(".banner:not([hidden])", "Reconnecting…"))
        await_true(engine, f"!({LIVE})")
    device = StandInDevice()
    with serving(device, port=port):
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        await_true(engine, text(".title", "Blue stoneware cup"))
        await_true(engine, f"{LIVE} && document.querySelector('#banner').hidden")
        assert engine.script("return window.sameDocument")
        engine.open("about:blank")


def test_back_button_leads_to_a_living_page(
    engine: Engine, page: str, device: StandInDevice
) -> None:
    """A browser may show the page as it was left, from its memory."""
    engine.open(f"{page}healthz")
    device.show(Verdict.MATCH, [(CUP, 0.91)])
    engine.back()
    await_true(engine, text(".title", "Blue stoneware cup"))
    await_true(engine, LIVE)


def test_hidden_tab_holds_no_stream(engine: Engine, page: str, device: StandInDevice) -> None:
    """It connects again when it is shown."""
    await_streams(page, 1)
    with engine.cover():
        await_streams(page, 0)
        device.show(Verdict.MATCH, [(CUP, 0.91)])
    await_true(engine, text(".title", "Blue stoneware cup"))
    await_true(engine, LIVE)


def test_another_window_may_have_the_stream(
    engine: Engine, page: str, device: StandInDevice
) -> None:
    """The page shows what that window is told, and has a stream again when it leaves."""
    engine.script("""
        const { page } = document.documentElement.dataset;
        window.other = new BroadcastChannel(`${location.pathname} ${page}`);
        other.postMessage({ claim: [0, 0] });
    """)
    await_streams(page, 0)
    device.show(Verdict.MATCH, [(CUP, 0.91)])
    told = httpx.get(f"{page}api/latest", timeout=60).text
    engine.script(f"other.postMessage({{ state: {told} }})")
    await_true(engine, text(".title", "Blue stoneware cup"))
    engine.script("other.postMessage({ left: true }); other.close()")
    await_streams(page, 1)


def test_plain_page(engine: Engine, page: str, device: StandInDevice) -> None:
    """It has the answer and its pictures without a script."""
    device.show(Verdict.MATCH, [(CUP, 0.91), (GEAR, 0.5)])
    engine.open(f"{page}plain")
    assert engine.script(f"return {text('h2', 'Blue stoneware cup')}")
    await_true(engine, "[...document.images].every((image) => image.naturalWidth > 0)")


def test_staff_teach_a_thing(engine: Engine, small_bundle: Path, tmp_path: Path) -> None:
    """From the PIN to the item and back out; the device's address is there for phones."""
    with taught_device(small_bundle, tmp_path / "state") as device:
        device.hand.show(NEW)
        engine.open(f"{device.url}/staff")
        await_true(engine, "!document.querySelector('#enter').hidden")
        engine.find("#pin").send_keys(PIN)
        engine.find("#enter button").click()
        await_true(engine, text("#address-words", "shop.local:8080"))
        await_true(engine, "document.querySelector('#address-code').naturalWidth > 0")
        await_true(engine, "document.querySelectorAll('.finding').length > 2")
        engine.find("#teach-begin").click()
        await_true(engine, "document.querySelectorAll('#views li').length === 1")
        device.hand.show(NEW, 1)
        await_true(engine, "document.querySelectorAll('#views li').length === 2")
        engine.find("#title").send_keys("Blots and dots")
        engine.find("#teach-save").click()
        await_true(engine, text("#taught-items h3", "Blots and dots"))
        assert engine.script("return document.documentElement.scrollWidth <= innerWidth")
        engine.find("#leave").click()
        await_true(engine, "document.querySelector('#teach').hidden")
        engine.open("about:blank")


def open_streams(address: str) -> int:
    """How many streams the device holds open."""
    found: int = httpx.get(f"{address}api/status", timeout=60).json()["streams"]["open"]
    return found


def await_streams(address: str, count: int) -> None:
    """Wait until the device holds so many streams open."""
    deadline = time.monotonic() + 60
    while open_streams(address) != count:
        assert time.monotonic() < deadline, f"there are never {count} streams"
        time.sleep(0.05)


def test_nothing_scrolls_sideways(engine: Engine, page: str, device: StandInDevice) -> None:
    """Nor is the answer wider than its frame, on a kiosk, upright, and on a large screen."""
    device.show(Verdict.MATCH, [(CUP, 0.91), (GEAR, 0.5), (WRENCH, 0.4)])
    await_true(engine, text(".match .title", "Blue stoneware cup"))
    for width, height in (800, 600), (480, 900), (1920, 1080):
        engine.resize(width, height)
        # A window takes its new size in steps, and a script may run between two of them.
        await_true(engine, "document.documentElement.scrollWidth <= innerWidth")
        await_true(
            engine,
            """(() => {
                const right = (part) => part.getBoundingClientRect().right;
                const edge = right(document.querySelector("#answer")) + 1;
                const parts = [...document.querySelectorAll("#panel *")];
                return parts.every((part) => right(part) <= edge);
            })()""",
        )
