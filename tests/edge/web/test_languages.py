"""The page's languages: no sentence is missing, and browser, setting and visitor choose."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog.bundles.items import Item
from catalog.core.state import Fetching, SyncState
from catalog.recognition.decision import Verdict
from edge.appliance.waiting import waiting_for
from edge.cameras.refusals import IN_USE
from edge.sighting import Candidate
from edge.web.app import create_app
from edge.web.branding import Appearance
from edge.web.languages import AT_ONCE, ENGLISH, LANGUAGES, sentences
from edge.web.page_settings import PageSettings
from edge.words import Words
from tests.support.browsing import KIOSK, hurry, overflowing, visiting
from tests.support.first_load import first_load
from tests.support.sentences import page_sentences
from tests.support.web_stand_in import CUP, StandInDevice, serving

HALF = Fetching(bytes=1, total=2, at=datetime(2026, 11, 30, tzinfo=UTC))
OTHERS = [language for language in LANGUAGES if language != ENGLISH]


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_missing(language: str) -> None:
    """Each sentence of the page has a translation, with the same {names}; none is left over."""
    wanted = {text for text, _ in page_sentences()}
    known = sentences(language)
    assert set(known) == wanted
    for text, translated in known.items():
        assert translated.strip(), text
        assert not re.search("« | [:;?!»]", translated), "a mark stands in a line without its word"
        assert sorted(re.findall(r"{\w+}", translated)) == sorted(re.findall(r"{\w+}", text)), text


def test_all_sentences_of_the_page_are_marked() -> None:
    """The page's template has no words outside of say(...)."""
    assert len({text for text, _ in page_sentences()}) > 80
    page = create_app(StandInDevice()).test_client().get("/?lang=ja").text
    shown = re.sub(r"<(script|noscript|svg|option)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    assert not re.search("[A-Za-z]{2,}", shown), shown


def test_all_sentences_of_the_staffs_area_are_marked() -> None:
    page = create_app(StandInDevice()).test_client().get("/staff?lang=ja").text
    assert '<html lang="ja" dir="ltr"' in page
    shown = re.sub(r"<(script|noscript|svg|option)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    words = set(re.findall("[A-Za-z]{2,}", shown))
    assert words <= {"PIN", "SKU", "tls"}, words


@pytest.mark.parametrize("language", LANGUAGES)
def test_first_load_is_small(language: str) -> None:
    """Page, scripts and style sheets have at most 90 kB, whatever the language."""
    page = create_app(StandInDevice()).test_client().get(f"/?lang={language}").data
    loaded = first_load(page.decode())
    assert {"page.js", "panel.js", "address.js", "answer.css"} <= loaded.keys()
    assert len(page) + sum(loaded.values()) <= 90_000
    says = {file for _, file in page_sentences()}
    assert {name for name in loaded if name in says} == AT_ONCE


@pytest.mark.parametrize(
    ("query", "accepted", "own", "spoken"),
    [
        ("", "de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("", "pt,fr;q=0.5", "", "fr"),
        ("", "pt", "", "en"),
        ("", "zh-CN", "", "zh"),
        ("", "de", "es", "es"),
        ("?lang=ar", "de", "es", "ar"),
        ("?lang=tlh", "ja", "", "ja"),
        ("?lang=../../de", "", "", "en"),
    ],
)
def test_who_chooses_the_language(query: str, accepted: str, own: str, spoken: str) -> None:
    """The visitor before the settings, and these before the browser."""
    app = create_app(StandInDevice(), appearance=Appearance(PageSettings(language=own)))
    answer = app.test_client().get(f"/{query}", headers={"Accept-Language": accepted})
    direction = "rtl" if spoken == "ar" else "ltr"
    assert f'<html lang="{spoken}" dir="{direction}"' in answer.text
    found = re.search(
        r'<script type="application/json" id="sentences"[^>]*>(.*?)</script>', answer.text
    )
    assert (json.loads(found[1]) if found else {}) == sentences(spoken, at_once=True)


def test_arabic_page_runs_from_right_to_left(browser: Browser, device: StandInDevice) -> None:
    """The whole layout is mirrored, and all fits."""
    with serving(device) as address, visiting(browser, f"{address}?lang=ar", KIOSK) as page:
        device.show(Verdict.MATCH, [(CUP, 0.91)])
        expect(page.locator(".sure")).to_have_text("تطابق واضح")
        places = page.evaluate("""() => ["#frame", "#answer"]
            .map((at) => document.querySelector(at).getBoundingClientRect().left)""")
        assert places[0] > places[1]
        assert sentences("ar")["?"] == "؟"  # behind the name of a thing that is not sure
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert overflowing(page) == []


def test_what_the_device_says_is_in_the_visitors_language(
    browser: Browser, device: StandInDevice
) -> None:
    """Why the camera is away, what a device without a catalogue waits for, what is not there."""
    reason = Words("camera {name} cannot be opened: {reason}", name="lens", reason=IN_USE)
    with (
        serving(device) as address,
        visiting(browser, f"{address}?lang=de&item=4711", KIOSK, server_may_be_away=True) as page,
    ):
        expect(page.locator("#panel")).to_contain_text("Der Katalog hat keinen Artikel 4711;")
        device.go_offline(reason)
        note = page.locator("#frame-note")
        expect(note).to_contain_text("Kamera lens lässt sich nicht öffnen: ein anderes Programm")
        device.go_offline("a reason without words")
        expect(note).to_have_text(re.compile(r"^Kamera aus seit [^a-z]*$"))
        device.waiting = waiting_for(SyncState(fetching=HALF), "s3://shop", "", HALF.at)
        device.opened = None
        device.go_online()
        page.keyboard.press("Escape")
        expect(page.locator("#panel")).to_contain_text("Der erste Katalog wird geholt, 50 %.")
        expect(page.locator("#spoken")).to_have_text("Der erste Katalog wird geholt.")
        device.waiting = waiting_for(SyncState(), "", "")
        device.go_online()
        expect(page.get_by_role("button", name="Dieses Gerät einrichten")).to_be_visible()
        expect(page.locator("#spoken")).to_have_text("Im Moment lässt sich nichts finden")
        page.route("**/api/events*", lambda _: None)  # no state comes before the item's answer
        page.route("**/api/latest*", lambda _: None)
        page.goto(f"{address}?lang=de&item=4711", wait_until="domcontentloaded")
        expect(page.locator(".sentence")).to_contain_text("Im Moment")
        expect(page.locator("#panel")).not_to_contain_text("visual-search")


def test_visitor_chooses_and_the_next_one_does_not_inherit(
    page: Page, device: StandInDevice
) -> None:
    """Items, prices and sentences change; the device's own screen changes back by itself."""
    item = Item(
        "CUP-01", "Blue cup", "€ 1,214.50", "", "Shelf A",
        {"title:de": "Blaue Tasse", "location:de": "Regal A", "material": "Clay",
         "material:de": "Ton", "title:fr": "Tasse bleue"},
    )  # fmt: skip
    hurry(page, {5_000: 0, 60_000: 6_000})
    sighting = device.sighting(Verdict.MATCH, [(CUP, 0.91)])
    device.latest.publish(replace(sighting, matches=(Candidate(item, 0, 0.91, 0.99),)))
    expect(page.locator(".title")).to_have_text("Blue cup")
    page.get_by_label("Language").select_option("de")
    expect(page.locator(".title")).to_have_text("Blaue Tasse")
    expect(page.locator(".sure")).to_have_text("Eindeutig erkannt")
    expect(page.locator(".location")).to_have_text("Regal A")
    assert page.locator(".price").inner_text().replace("\xa0", " ") == "€ 1.214,50"
    expect(page.locator(".attributes")).to_have_text("MaterialTon")
    device.show(Verdict.NOTHING, [])
    expect(page.locator(".sentence")).to_contain_text("Halten Sie etwas vor die Kamera")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_prices_are_written_as_the_visitors_settings_say(
    browser: Browser, device: StandInDevice
) -> None:
    """The browser's language may carry settings of its own: how to sort, or degrees."""
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    with (
        serving(device) as address,
        visiting(browser, address, KIOSK, locale="de-DE-u-co-phonebk") as page,
    ):
        expect(page.locator(".price")).to_have_text("€\N{NO-BREAK SPACE}14,50")
