"""A visitor's photo is shown on a phone, and another part of it can be searched."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route, expect

from catalog.core.box import Box
from catalog.core.photos import encode_jpeg
from tests.support.browsing import PHONE, visiting
from tests.support.web_stand_in import CUP, StandInDevice, draw_scene, serving

pytestmark = pytest.mark.slow


def test_another_part_of_a_photo_is_searched(browser: Browser, device: StandInDevice) -> None:
    """By a tap, by dragging the box or a corner, and by keys; going back shows the camera."""
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": encode_jpeg(draw_scene(CUP), 640)}
    with serving(device) as address, visiting(browser, address, PHONE) as page:
        expect(page.locator("#picture")).to_be_visible()  # its frame has its size from then on
        page.locator("#photo").set_input_files(photo)  # type: ignore[arg-type]
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        assert device.searched[-1][1] is None  # all of it
        part = page.get_by_role("application")
        page.wait_for_function("() => document.querySelector('.photo-fit')?.style.width")
        fit = page.locator(".photo-fit").bounding_box()
        assert fit is not None
        frame = page.locator("#frame").bounding_box()
        assert frame is not None
        assert fit["width"] <= frame["width"] + 1
        assert fit["width"] / fit["height"] == pytest.approx(640 / 480, abs=0.02)

        def at(x: float, y: float) -> tuple[float, float]:
            return fit["x"] + x * fit["width"], fit["y"] + y * fit["height"]

        def searched(number: int) -> tuple[int, int, int, int]:
            page.wait_for_function("() => !document.querySelector('.looking:not([hidden])')")
            while len(device.searched) < number:
                page.wait_for_timeout(20)
            box = device.searched[number - 1][1]
            assert box is not None
            return box.x, box.y, box.width, box.height

        page.touchscreen.tap(*at(0.75, 0.5))
        assert searched(2) == pytest.approx((320, 120, 320, 240), abs=4)
        page.mouse.move(*at(0.75, 0.5))
        page.mouse.down()
        page.mouse.move(*at(0.5, 0.4))
        page.mouse.move(*at(0.25, 0.25))
        page.mouse.up()
        assert searched(3) == pytest.approx((0, 0, 320, 240), abs=4)
        page.mouse.move(*at(0.5, 0.5))
        page.mouse.down()
        page.mouse.move(*at(0.75, 0.75))
        page.mouse.up()
        assert searched(4) == pytest.approx((0, 0, 480, 360), abs=4)
        part.press("ArrowRight")
        assert searched(5) == pytest.approx((32, 0, 480, 360), abs=4)
        part.press("ArrowDown")
        assert searched(6) == pytest.approx((32, 24, 480, 360), abs=4)
        page.get_by_role("button", name="Back to live").click()
        expect(part).to_have_count(0)


@pytest.mark.parametrize(("locale", "scheme"), [("en-GB", "light"), ("ar-EG", "dark")])
def test_what_was_found_in_a_photo_is_outlined(
    browser: Browser, device: StandInDevice, locale: str, scheme: str
) -> None:
    """The box lies around the part that was searched; a tap on another thing searches that."""
    device.found = (Box(40, 60, 200, 240), Box(400, 120, 160, 200))
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": encode_jpeg(draw_scene(CUP), 640)}
    with (
        serving(device) as address,
        visiting(browser, address, PHONE, scheme, locale=locale) as page,
    ):
        expect(page.locator("#picture")).to_be_visible()  # its frame has its size from then on
        page.locator("#photo").set_input_files(photo)  # type: ignore[arg-type]
        other = page.locator("button.photo-other")
        expect(other).to_have_count(1)
        part = page.get_by_role("application")
        fit, lies = page.locator(".photo-fit").bounding_box(), part.bounding_box()
        assert fit is not None
        assert lies is not None
        assert (lies["x"] - fit["x"]) / fit["width"] == pytest.approx(40 / 640, abs=0.01)
        assert lies["width"] / fit["width"] == pytest.approx(200 / 640, abs=0.01)
        outlined = other.bounding_box()
        assert outlined is not None
        assert (outlined["x"] - fit["x"]) / fit["width"] == pytest.approx(400 / 640, abs=0.01)
        other.tap()
        while len(device.searched) < 2:
            page.wait_for_timeout(20)
        box = device.searched[1][1]
        assert box is not None
        assert (box.x, box.y, box.width, box.height) == pytest.approx((400, 120, 160, 200), abs=3)
        other.press("Enter")  # the keyboard reaches it, too
        while len(device.searched) < 3:
            page.wait_for_timeout(20)
        assert device.searched[2][1] == box


def test_the_answer_to_a_former_photo_leaves_the_new_one_alone(
    browser: Browser, device: StandInDevice
) -> None:
    """It comes late, and its box belongs to a photo that is no longer shown."""
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": encode_jpeg(draw_scene(CUP), 640)}
    held: list[Route] = []
    with serving(device) as address, visiting(browser, address, PHONE) as page:
        page.route("**/api/search", lambda route: held.append(route))
        part = page.get_by_role("application")
        for _ in range(2):
            with page.expect_request("**/api/search"):
                page.locator("#photo").set_input_files(photo)  # type: ignore[arg-type]
            page.wait_for_function("() => document.querySelector('.photo-fit')?.style.width")
        for route, box in zip(held, (Box(40, 60, 200, 240), Box(400, 120, 160, 200)), strict=True):
            device.found = (box,)
            with page.expect_response("**/api/search"):
                route.continue_()
        expect(page.locator(".title")).to_have_text("Blue stoneware cup")
        page.wait_for_function("() => document.querySelector('.photo-part').style.left !== '0%'")
        assert part.evaluate("(part) => parseFloat(part.style.left)") == pytest.approx(62.5, abs=1)
