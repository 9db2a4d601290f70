"""The shop's own look: name, logo, accent, welcome; and the kiosk that is left alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from catalog.core.errors import SettingsError
from catalog.recognition.decision import Verdict
from edge.cli.doctor import _look as look_findings
from edge.settings import EdgeSettings
from edge.web.app import create_app
from edge.web.branding import LARGEST_LOGO, Appearance, read_logo
from edge.web.colours import DARK_SURFACES, contrast, dark_accent, least_contrast, light_accent
from edge.web.page_settings import PageSettings
from tests.support.browsing import KIOSK, PHONE, SECONDS, hurry, visiting
from tests.support.web_stand_in import CUP, StandInDevice, serving

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4"/></svg>'


def test_contrast_is_that_of_the_standard() -> None:
    """White on black has 21 to 1; a grey that is known has 4.54."""
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("colour", ["#7a1f3d", "#0b3d91", "#000000", "#ffd400", "#ffffff"])
def test_accent_can_be_read_on_dark_ground(colour: str) -> None:
    """It is made lighter where it must be; text on an accent is black or white."""
    assert least_contrast(dark_accent(colour).colour, DARK_SURFACES) >= 4.5
    for accent in (light_accent(colour), dark_accent(colour)):
        assert contrast(accent.text, accent.colour) >= 4.5


def test_page_has_the_shops_look(browser: Browser, device: StandInDevice, tmp_path: Path) -> None:
    """Name, logo, accent and first sentence are the shop's."""
    logo = tmp_path / "logo.svg"
    logo.write_bytes(SVG)
    look = PageSettings(
        name="Café <Müller>", logo=logo, accent="#7A1F3D", welcome="Was darf es sein?"
    )
    with (
        serving(device, appearance=Appearance(look)) as address,
        visiting(browser, address, KIOSK) as page,
    ):
        assert page.title() == "Café <Müller>"
        expect(page.locator(".logo")).to_have_attribute("alt", "Café <Müller>")
        page.wait_for_function("() => document.querySelector('.logo').naturalWidth > 0")
        accent = "() => getComputedStyle(document.body).getPropertyValue('--accent').trim()"
        assert page.evaluate(accent) == "#7a1f3d"
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(accent) == dark_accent("#7a1f3d").colour


def test_a_long_name_stays_on_a_phone(browser: Browser, device: StandInDevice) -> None:
    """The staff's bar breaks it, beside the language and the way out."""
    look = PageSettings(name="Donaudampfschifffahrtsgesellschaftsmuseum am Winterhafen")
    with (
        serving(device, appearance=Appearance(look)) as address,
        visiting(browser, f"{address}staff", PHONE) as page,
    ):
        expect(page.locator("#enter")).to_be_visible()
        page.locator("#leave").evaluate("(button) => (button.hidden = false)")
        assert page.evaluate("document.documentElement.scrollWidth <= screen.width")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"GIF89a", "is no SVG, PNG, JPEG or WebP picture"),
        (b"<svg>" + bytes(LARGEST_LOGO), "is larger than 256 kB"),
        (None, "cannot be read"),
    ],
)
def test_logo_that_cannot_be_shown(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The error says why, before the page is served."""
    path = tmp_path / "logo"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=reason):
        read_logo(path)
    appearance = Appearance(PageSettings(logo=path))
    with pytest.raises(SettingsError, match=reason):
        create_app(StandInDevice(), appearance=appearance)


def test_logo_runs_no_script(tmp_path: Path) -> None:
    """A picture that is opened by itself is bound by the page's own rules."""
    path = tmp_path / "logo.svg"
    path.write_bytes(SVG)
    client = create_app(
        StandInDevice(), appearance=Appearance(PageSettings(logo=path))
    ).test_client()
    answer = client.get("/logo")
    assert answer.mimetype == "image/svg+xml"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert create_app(StandInDevice()).test_client().get("/logo").status_code == 404


def test_doctor_checks_the_contrast(tmp_path: Path) -> None:
    """A colour that is hard to read is wrong, and the finding says what to do."""
    faint = list(look_findings(PageSettings(accent="#ffd400")))
    assert [finding.state for finding in faint] == ["wrong"]
    assert "take a darker colour" in (faint[0].remedy or "")
    logo = tmp_path / "logo.svg"
    logo.write_bytes(SVG)
    good = list(look_findings(PageSettings(accent="#7a1f3d", accent_dark="#f0a0b8", logo=logo)))
    assert [finding.state for finding in good] == ["ok", "ok", "ok"]
    logo.unlink()
    assert [finding.state for finding in look_findings(PageSettings(logo=logo))] == ["wrong"]
    assert list(look_findings(PageSettings())) == []


@pytest.mark.parametrize("wrong", [{"accent": "green"}, {"language": "tlh"}, {"name": "x" * 61}])
def test_settings_that_are_wrong(wrong: dict[str, str]) -> None:
    """They are refused."""
    with pytest.raises(ValueError, match=r"colour|speak|60"):
        PageSettings.model_validate(wrong)


def test_nobody_is_there(browser: Browser, device: StandInDevice) -> None:
    """After a minute the own screen shows a welcome and items by turns, until somebody comes."""
    look = PageSettings(welcome="Welcome to the museum")
    with (
        serving(device, appearance=Appearance(look)) as address,
        visiting(browser, address, KIOSK) as page,
    ):
        page.clock.install()
        hurry(page, {5_000: 0, 60_000: 1_000})
        welcome = page.locator(".attract")
        expect(welcome.locator(".words")).to_have_text("Welcome to the museum")
        expect(welcome).to_contain_text("Hold something in front of the camera")
        first = welcome.locator(".name").first.inner_text()
        page.clock.fast_forward(8 * SECONDS)
        expect(welcome.locator(".name").first).not_to_have_text(first)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        welcome.locator(".card .name").first.click()
        expect(page.locator(".item .title")).to_be_visible()
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        page.locator("#offer").click()
        expect(page.locator(".match:not(.item) .title")).to_have_text("Blue stoneware cup")
        device.show(Verdict.NOTHING, [])
        expect(page.locator(".sentence:not(.attract)")).to_contain_text("Hold something")


def test_who_comes_while_the_welcome_is_fetched_is_not_interrupted(
    browser: Browser, device: StandInDevice
) -> None:
    fetched: list[Route] = []
    with serving(device) as address, visiting(browser, address, KIOSK) as page:
        page.route("**/api/showcase", lambda route: fetched.append(route))
        with page.expect_request("**/api/showcase"):
            hurry(page, {5_000: 0, 60_000: 500})
        with page.expect_request("**/api/showcase"):
            page.keyboard.press("Shift")
        with page.expect_response("**/api/showcase"):
            fetched[0].continue_()
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
        assert page.locator(".attract").count() == 0
        fetched[1].continue_()
        expect(page.locator(".attract")).to_be_visible()


def test_a_welcome_whose_scripts_do_not_come_is_tried_again(
    browser: Browser, device: StandInDevice
) -> None:
    with (
        serving(device) as address,
        visiting(browser, address, KIOSK, server_may_be_away=True) as page,
    ):
        page.route("**/search.js*", lambda route: route.abort())
        with page.expect_request("**/search.js*"):
            hurry(page, {5_000: 0, 60_000: 500})
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
        assert page.locator(".attract").count() == 0
        page.unroute("**/search.js*")
        expect(page.locator(".attract")).to_be_visible()


@pytest.mark.parametrize(("query", "kiosk"), [("?kiosk", False), ("", True)])
def test_kiosk_offers_no_way_out(
    browser: Browser, device: StandInDevice, query: str, *, kiosk: bool
) -> None:
    """No file chooser, no menu, no selection, no link to elsewhere."""
    with (
        serving(device, appearance=Appearance(kiosk=kiosk)) as address,
        visiting(browser, address + query, KIOSK) as page,
    ):
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        expect(page.locator(".title")).to_be_visible()
        for hidden in (".photo-button >> nth=0", ".photo-button >> nth=1", ".timings"):
            expect(page.locator(hidden)).to_be_hidden()
        assert menus_are_refused(page)
        assert page.evaluate("getComputedStyle(document.body).userSelect") == "none"
        page.locator(".open").click()
        expect(page.locator(".item")).to_be_visible()
        assert page.locator("a[href]:visible:not(.skip)").count() == 0


def test_staff_find_their_area_behind_the_shops_name(
    browser: Browser, device: StandInDevice
) -> None:
    """A kiosk has no address bar; who holds the name for two seconds comes to the PIN."""
    with serving(device) as address, visiting(browser, address + "?kiosk", KIOSK) as page:
        page.clock.install()
        page.reload()
        page.clock.fast_forward(5_000)
        page.evaluate("import('./static/staff-way.js').then(() => {})")
        page.locator(".brand").hover()
        page.clock.pause_at(time.time() + 60)  # a slow machine's own seconds would count, too
        page.mouse.down()
        page.clock.fast_forward(1_500)
        page.mouse.up()
        page.clock.fast_forward(10_000)
        assert page.url == address + "?kiosk"
        page.mouse.down()
        page.clock.fast_forward(2_100)
        page.wait_for_url(f"{address}staff?kiosk")
        assert page.get_by_role("link", name="Visual search").get_attribute("href") == "/?kiosk"


def menus_are_refused(page: Page) -> bool:
    """Whether the page takes a context menu, a drag and a selection away."""
    refused: bool = page.evaluate("""() => ["contextmenu", "dragstart", "selectstart"].every(
        (way) => !document.querySelector(".title").dispatchEvent(
            new Event(way, { bubbles: true, cancelable: true })))""")
    return refused


def test_only_named_sites_show_the_page_in_a_frame() -> None:
    """That holds for the page alone: the staff's area is never in a frame."""
    listed = {"frame_ancestors": "https://a.example, http://192.168.1.5:8123"}
    sites = EdgeSettings.model_validate(listed)
    appearance = Appearance(frame_ancestors=sites.frame_ancestors)
    client = create_app(StandInDevice(), appearance=appearance).test_client()
    headers = client.get("/").headers
    allowed = "frame-ancestors https://a.example http://192.168.1.5:8123"
    assert headers["Content-Security-Policy"].endswith(allowed)
    assert "X-Frame-Options" not in headers
    for path in ("/staff", "/plain", "/api/latest"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("site", ["*", "https://a.example/path", "a.example; script-src *", "null"])
def test_sites_that_are_none(site: str) -> None:
    """They are refused: the text stands in a header."""
    with pytest.raises(ValueError, match="is not a site"):
        EdgeSettings.model_validate({"frame_ancestors": [site]})
