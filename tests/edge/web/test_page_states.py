"""Each state of the page, at each size, in the light and in the dark, in both directions."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browsing import CHROMIUM, SIZES, overflowing, visiting
from tests.support.page_states import PAGE_STATES, walk
from tests.support.web_stand_in import StandInDevice, serving

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

KIOSKS = [size for size in SIZES if size != "phone"]
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
# The script for the ends of names that are cut comes when there is one.
ENDED = """() => [...document.querySelectorAll("#panel :is(.title, .name, .where, .clamp)")]
  .every((each) => each.scrollHeight <= each.clientHeight + 1)"""

# The least sizes of docs/page.md, in pixels. A name of more than 48 letters is a long one.
LEAST = {
    ".title:not(.long)": 28,
    ".title.long": 24,
    ".thing .price": 28,
    ".location": 24,
    ".words": 28,
    ".heading": 24,
    ".sentence .advice": 20,
    ".card .name": 24,
    ".card .cost": 24,
    ".card .where": 20,
    ".row .name": 20,
    ".row .cost": 20,
    ".row .where": 16,
    ".similar-item .name": 20,
    ".sure": 20,
    ".also": 16,
    ".attributes": 16,
    ".guess .advice": 20,
}
LOOK = """(least) => {
  const seen = (selector) => [...document.querySelectorAll(selector)]
    .filter((each) => each.checkVisibility() && !each.matches(".unseen"));
  const rect = (selector) => document.querySelector(selector).getBoundingClientRect();
  const frame = rect("#frame"), answer = rect("#answer");
  const small = Object.entries(least).flatMap(([selector, size]) => seen(`#panel ${selector}`)
    .map((each) => [selector, parseFloat(getComputedStyle(each).fontSize)])
    .filter(([, own]) => own < size));
  const panel = rect("#panel"), isPhone = innerWidth < 540;
  // what can be measured only here: cards, others on a phone, the place of similar items
  const stuck = seen("#panel .card .name, #panel .card .where").filter((each) => {
    const card = each.closest(".card").getBoundingClientRect(), own = each.getBoundingClientRect();
    const off = Math.min(own.top - card.top, card.bottom - own.bottom);
    return off < (each.closest(".is-spaced") ? 3 : 1);
  });
  const others = isPhone && document.querySelector("#panel .others");
  const above = others && others.getBoundingClientRect().top - rect("#panel .thing").bottom;
  // a photo gives way where that leaves a name of a few words in two lines
  const title = isPhone ? null : seen("#panel .title")[0];
  const line = title && parseFloat(getComputedStyle(title).lineHeight);
  if (title && title.textContent.length <= 20 && title.clientHeight > 2.5 * line) stuck.push(title);
  const similar = document.querySelector("#panel .similar");
  const photo = similar && rect("#panel .similar img");
  if (similar && !isPhone && photo.top + photo.height / 3 > panel.bottom) stuck.push(similar);
  // a name stands nearer to its value than to the pair before it, whichever way the page runs
  const words = (each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    return range.getBoundingClientRect();
  };
  const pairs = seen("#panel .match:not(.item) .attributes > *").map(words);
  const apart = (one, other) =>
    Math.max(one.left, other.left) - Math.min(one.right, other.right);
  if (pairs.length > 3 && pairs[2].top < pairs[0].bottom
    && apart(pairs[2], pairs[3]) > apart(pairs[1], pairs[2]) - 4)
    stuck.push(document.querySelector("#panel .attributes"));
  // a number stays with its word; photos of rows are no strip
  stuck.push(...seen("#panel :is(.where, .location)")
    .filter((each) => /(^|, )\\p{L}+ \\d+(,|$)/u.test(each.textContent)));
  const photos = seen("#panel .row img").map((each) => each.getBoundingClientRect());
  const strip = photos.some((one, at) => at && one.left === photos[at - 1].left
    && one.top - photos[at - 1].bottom < 8);
  // on a phone a place stands beside the photo above a long name
  const place = isPhone && document.querySelector("#panel .long .location");
  const isBelow = place
    && place.getBoundingClientRect().top > rect("#panel .long > :first-child").bottom;
  // and the name below them is whole: the page scrolls
  const isEnded = isPhone && document.querySelector("#panel .match .title.is-cut") !== null;
  // the sign for what is not known is that of the page's language
  const turned = document.dir === "rtl" ? "matrix(-1, 0, 0, 1, 0, 0)" : "none";
  const isForeign = seen("#panel .ask").some((each) => getComputedStyle(each).transform !== turned);
  const isPhoneBad = isBelow || isEnded || (others && above < 19.9);
  const cut = seen("#result-words, #panel .title, #panel :is(.row, .card) .name")
    .filter((each) => each.textContent.length <= 48
      && (each.matches(".is-cut") || each.scrollHeight > each.clientHeight + 1))
    .concat(seen("#panel :is(.cost, .price)")
      .filter((each) => each.scrollWidth > each.clientWidth + 1));
  // a name or a place with "…" has as many lines as there is room for
  const parts = "#panel > *, #panel :is(.thing, .card, .card-label, .others)";
  const isFull = () => [...document.querySelectorAll(parts)]
    .some((part) => part.scrollHeight > part.clientHeight + 1);
  const ends = "#panel :is(.title, .name, .where, .location .clamp).is-cut";
  const beside = seen(ends).filter((each) => {
    const lines = parseInt(getComputedStyle(each).webkitLineClamp);
    if (each.closest(".similar")) return false;
    const list = each.closest(".found");
    if (list && lines < 4) return true;
    const [kept, rest] = [...each.children].slice(-2);
    const parts = [kept.textContent, rest.textContent];
    [kept.textContent, rest.textContent] = [each.textContent, ""];
    each.style.webkitLineClamp = lines + 1;
    const hasRoom = each.closest(".item") || !isFull();
    each.style.webkitLineClamp = "";
    [kept.textContent, rest.textContent] = parts;
    return hasRoom;
  });
  // it ends after a whole word
  const beyond = seen("#panel :is(.title, .name, .where, .clamp)").filter((each) =>
    each.matches(".is-cut") && !/^[\\s,;:]/.test(each.lastChild.textContent)
      && /\\s/.test(each.querySelector(".kept").textContent));
  const aligned = (parts) => new Set([...parts].map((each) => {
    const { left, right } = each.getBoundingClientRect();
    return Math.round(document.dir === "rtl" ? right : left);
  })).size < 2;
  const ragged = seen("#panel :is(.label, .card-label)").filter((label) =>
    !aligned(label.querySelectorAll(":scope > :is(.title, .name, .where, .price)")));
  if (!aligned(seen("#panel .card .name"))) ragged.push(document.querySelector(".cards"));
  const framed = seen("#panel img.mat").map((each) => getComputedStyle(each))
    .filter(({ backgroundColor, borderTopWidth }) =>
      backgroundColor !== "rgba(0, 0, 0, 0)" || borderTopWidth !== "0px");
  const targets = seen("button, input, select, summary, label.button, a[href]")
    .map((each) => [each.className || each.id || each.tagName, each.getBoundingClientRect()])
    .filter(([, { width, height }]) => Math.min(width, height) < 47.99)
    .map(([name, { width, height }]) => `${name} ${width} x ${height}`);
  // rows are as high without a price; photos and words keep off the lines around them
  const heights = seen("#panel .others .row:not(:has(.count))")
    .map((row) => [row, row.querySelector(".name").clientHeight, getComputedStyle(row).fontSize])
    .filter(([, name, size]) => name < 1.9 * parseFloat(size))
    .map(([row]) => row.clientHeight);
  const uneven = Math.max(0, ...heights) - Math.min(1e6, ...heights) > 1;
  const crowded = seen("#panel .card img").filter((photo) => {
    const outer = photo.closest(".card").getBoundingClientRect();
    const inner = photo.getBoundingClientRect();
    const isSmall = innerWidth > 540 && inner.height < 0.7 * outer.height;
    const gap = Math.min(inner.top - outer.top, outer.bottom - inner.bottom);
    return gap < 2.5 || (photo.closest(".attract") && isSmall);
  });
  // it lies in the picture's place, on a phone above the status line, wherever one has scrolled to
  const banner = rect("#banner");
  const from = innerWidth < 540 ? 0 : frame.top;
  const to = innerWidth < 540 ? innerHeight - 36 : frame.bottom;
  const inset = isPhone ? 15 : 3;
  const outside = banner.width > 0 && (banner.top < from || banner.bottom > to
    || banner.left < frame.left + inset || banner.right > frame.right - inset);
  // what is shown on a phone is as high as it must be: the page scrolls
  const isFitted = innerWidth < 540 && document.querySelector("#panel > [class*=fit-]") !== null;
  return {
    small, targets, isFitted,
    form: uneven || outside || strip || isPhoneBad || isForeign || crowded.length > 0,
    cut: cut.concat(beside, beyond, stuck).map((each) => each.textContent), framed: framed.length,
    ragged: ragged.map((each) => each.textContent),
    sideways: Math.max(document.documentElement.scrollWidth - innerWidth,
      ...seen("#answer, #panel, #panel > *").map((each) => each.scrollWidth - each.clientWidth)),
    hidden: seen("#answer, #panel").some((each) => each.scrollHeight > each.clientHeight + 1),
    down: document.documentElement.scrollHeight - innerHeight,
    top: answer.top + scrollY,
    places: [frame.width, frame.height, answer.left, answer.top + scrollY],
    count: seen("#panel *").length,
  };
}"""


@pytest.mark.parametrize("touch", [False, True], ids=["kiosks", "phone"])
@pytest.mark.parametrize(("locale", "scheme"), [("en-GB", "light"), ("ar-EG", "dark")])
def test_every_state_fits_and_is_legible(
    browser: Browser, locale: str, scheme: str, *, touch: bool
) -> None:
    """Nothing scrolls sideways or is cut, nothing jumps, and a kiosk does not scroll."""
    device = StandInDevice()
    sizes = ["phone"] if touch else KIOSKS
    places: dict[str, set[tuple[float, ...]]] = {size: set() for size in sizes}
    walked = []
    with contextlib.ExitStack() as served:
        address = served.enter_context(serving(device))
        with visiting(
            browser,
            "about:blank",
            SIZES[sizes[0]],
            scheme,
            locale=locale,
            server_may_be_away=True,
        ) as page:

            def check(state: str) -> None:
                walked.append(state)
                for size in sizes:
                    found = _look(page, size)
                    places[size].add(tuple(found["places"]))
                    faults = [found["sideways"] > 0, found["hidden"]]
                    faults += [found["targets"], overflowing(page)]
                    faults.append(found["framed"])  # by another white than the photo's
                    faults += [found["ragged"], found["form"], found["isFitted"]]
                    if not touch:
                        faults += [found["down"] > 0, found["small"], found["cut"]]
                    assert not any(faults), (state, size, faults)
                    assert found["count"] >= 3
                    assert found["top"] < SIZES[size][1] / 2, "it is seen with the picture"

            walk(page, address, device, check, served.close)
    assert walked == list(PAGE_STATES)
    assert all(len(at) == 1 for at in places.values()), "picture and answer jumped"


def _look(page: Page, size: str) -> Any:
    """What is to be seen at a size."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(SETTLED)
    page.wait_for_function(ENDED)
    return page.evaluate(LOOK, LEAST)
