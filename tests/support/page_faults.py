"""What keeps a page of the staff's from being used or read, on each screen."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.browsing import SIZES

LEAST_TEXT, LEAST_TARGET = 16, 48  # pixels
FAULTS = """([leastText, leastTarget]) => {
  const faults = [];
  const box = (each) => each.getBoundingClientRect();
  const name = (each) => each.id || each.className || each.textContent || each.tagName;
  if (document.documentElement.scrollWidth > innerWidth) faults.push("it scrolls sideways");
  const shown = [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility());
  const cards = shown.filter((each) => each.matches(".card:not(.enter)"));
  const edges = new Set(cards.map((card) => `${box(card).left} to ${box(card).right}`));
  if (edges.size > 1) faults.push(`cards have edges ${[...edges].join(", ")}`);
  for (const each of shown) {
    const { left, right } = box(each);
    if (left < -1 || right > innerWidth + 1) faults.push(`${name(each)} is cut`);
    const hasWords = [...each.childNodes].some((part) => part.nodeType === 3 && part.data.trim());
    const size = parseFloat(getComputedStyle(each).fontSize);
    if ((hasWords || each.matches("input, select")) && size < leastText)
      faults.push(`${name(each)} has ${size} pixels`);
    if (each.matches("button, input, select, summary, a")) {
      const label = each.closest("label.tick, .cameras label, label.button");
      const target = label ?? each; // its words are one, too
      if (box(target).height < leastTarget) faults.push(`${name(each)} is low`);
    }
  }
  return faults;
}"""


def faults(page: Page) -> list[str]:
    """The faults of what is shown, on each screen; the page keeps the last one's size."""
    found = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{size}: {fault}" for fault in page.evaluate(FAULTS, [LEAST_TEXT, LEAST_TARGET])]
    return found
