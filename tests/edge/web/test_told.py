"""What the device says, on the page: in its language, as a sentence, and only the newest."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from edge.cameras.refusals import IN_USE
from edge.words import Words
from tests.support.browsing import CHROMIUM, KIOSK, visiting
from tests.support.web_stand_in import StandInDevice, serving

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

SENTENCES = {
    "": "",
    "it is there": "It is there.",
    "is it there?": "Is it there?",
    "wait…": "Wait…",
    "he says “stop.”": "He says “stop.”",
    "élan": "Élan.",
    "カメラがありません": "カメラがありません。",
    "没有相机": "没有相机。",
}
PROGRESS = """(state) => import("/static/progress.js").then((all) => all.progress(state))
  .then(({ advice }) => advice?.textContent ?? "")"""


def run(page: Page, script: str, function: str, given: object) -> Any:
    """What a function of a script gives; None where it throws."""
    call = f"(given) => import('/static/{script}').then((all) => all.{function}(...[given].flat()))"
    return page.evaluate(f"(given) => ({call})(given).catch(() => null)", given)


def test_what_the_device_says_is_told_in_the_pages_language(
    browser: Browser, device: StandInDevice
) -> None:
    """With values, which may be sentences; what is unknown stays; a state that is late is old."""
    away = Words("camera {name} cannot be opened: {reason}", name="lens {1}", reason=IN_USE)
    held: list[Route] = []
    asked: list[str] = []
    with (
        serving(device) as address,
        visiting(browser, f"{address}?lang=de", KIOSK, server_may_be_away=True) as page,
    ):
        expect(page.locator("#picture")).to_be_visible()
        assert {given: run(page, "sentence.js", "asSentence", given) for given in SENTENCES} == (
            SENTENCES
        )
        for fail in (lambda route: route.abort(), lambda route: route.fulfill(status=503, json={})):
            page.route("**/sentences/de.json", fail)
            english = run(page, "words.js", "ownWords", [str(away), away.document()])
            assert english == str(away)
            page.unroute("**/sentences/de.json")
        page.route("**/sentences/de.json", lambda route: held.append(route))
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_request("**/sentences/de.json"):
            device.go_offline(away)
        assert run(page, "late.js", "late", ["told.js", 50]) is None
        device.go_online()
        expect(page.locator("#status-camera")).to_have_text("Kamera an")
        held[0].continue_()
        told = run(page, "words.js", "ownWords", [str(away), away.document()])
        assert told.startswith("Kamera lens {1} lässt sich nicht öffnen: ein anderes Programm")
        told_by = [address for address in asked if "/told.js" in address]
        assert [address.rpartition("/")[2] for address in told_by] == ["told.js"]  # once
        expect(page.locator("#status-camera")).to_have_text("Kamera an")
        unknown = {"sentence": "{what} is new", "values": {"what": "this"}}
        assert run(page, "words.js", "ownWords", ["", unknown]) == "this is new"
        for waiting, shown in (
            (Words("fetching the first catalogue, {percent} %", percent=7), "7 %."),
            (Words("opening the first catalogue"), "."),
            (Words("'{command}' fetches the first one; it has not looked yet", command="x"), ""),
        ):
            state = {"waiting": waiting, "waiting_words": waiting.document()}
            progress = page.evaluate(PROGRESS, state)
            assert progress.endswith(shown)
            assert bool(progress) == bool(shown)
        assert page.evaluate(PROGRESS, {"waiting": "x", "waiting_words": None}) == ""
