// Items by words. Loaded when somebody types some.

import { itemRows, sentenceView } from "./answer.js";
import { inTime, make } from "./dom.js";
import { late, loadStyles } from "./late.js";
import { localItem, say } from "./words.js";

const MOST_FOUND = 24;
const PATIENCE = 10_000; // ms
const LINES = [9, 8, 7, 6, 5, 4]; // of a name: the most with which nothing scrolls, else the least

// What words find, as a result for the panel. open(item) is a visitor's wish.
export async function found(text, open, signal) {
  const { ask } = await late("search.js");
  const asked = ask(`api/items?q=${encodeURIComponent(text)}&limit=${MOST_FOUND}`, { signal });
  const [{ items }] = await Promise.all([inTime(asked, PATIENCE), loadStyles("scrolling.css")]);
  const count = items.length;
  if (!count) {
    const view = sentenceView("ask", say("Nothing by that name"), say("Try another word, or fewer."));
    return { words: say("Nothing found for “{text}”", { text }), view };
  }
  if (count === 1) {
    const { opened } = await late("item.js");
    return opened(items[0], open, say("Found for “{text}”", { text }));
  }
  const words =
    count < MOST_FOUND
      ? say("{count} found for “{text}”", { count, text })
      : say("The first {count} for “{text}”", { count, text });
  const view = make("article", "found", itemRows(items.map(localItem), open));
  view.fit = () => fit(view);
  return { words, view };
}

// Where nothing scrolls no end is needed. On a phone names have the same lines in any case; see scrolling.css.
function fit(view) {
  view.style.setProperty("--end", "0px");
  for (const lines of matchMedia("(max-width: 33.75rem)").matches ? LINES.slice(-1) : LINES) {
    view.style.setProperty("--room", lines);
    if (view.scrollHeight <= view.clientHeight + 1) return;
  }
  view.style.removeProperty("--end");
}
