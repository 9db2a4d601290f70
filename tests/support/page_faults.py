"""What keeps a page of the staff's from being used or read, on each screen."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.support.browsing import SIZES

LEAST_TEXT, LEAST_TARGET = 16, 48  # pixels
SHORT = 8  # letters of a word that is too short for a line of its own, below others
FAULTS = """([leastText, leastTarget, short]) => {
  const faults = [];
  const box = (each) => each.getBoundingClientRect();
  const name = (each) => each.id || each.className || each.textContent || each.tagName;
  if (document.documentElement.scrollWidth > innerWidth) faults.push("it scrolls sideways");
  const shown = [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility());
  const cards = shown.filter((each) => each.matches(".card:not(.enter)"));
  const edges = new Set(cards.map((card) => `${box(card).left} to ${box(card).right}`));
  if (edges.size > 1) faults.push(`cards have edges ${[...edges].join(", ")}`);
  const top = (text, word) => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return box(range).top;
  };
  for (const each of shown.filter((each) => each.matches("p, h2, h3, .button"))) {
    const text = each.lastChild;
    const words = text?.nodeType === 3 ? [...text.data.matchAll(/[^ ]+/g)].slice(-2) : [];
    if (words.length < 2 || words[1][0].length > short) continue;
    if (top(text, words[1]) > top(text, words[0]) + leastText / 2)
      faults.push(`${words[1][0]} has a line of its own`);
  }
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
        least = [LEAST_TEXT, LEAST_TARGET, SHORT]
        found += [f"{size}: {fault}" for fault in page.evaluate(FAULTS, least)]
    return found
