// How names end that have more words than lines. Loaded when there is one.

import { make } from "./dom.js";

const WORD_END = /[,;:]*[^\S\u00a0]+|[\u2e80-\u9fff]/g; // Chinese and Japanese lines end anywhere
const LETTER = /./gu;

const isOver = (name) => name.scrollHeight > name.clientHeight + 1;

// End a name that is cut after a whole word, if one has room; screen readers have the rest.
export function shorten(name) {
  const whole = name.lastChild.data;
  const [kept, rest] = [make("span", "kept"), make("span", "unseen")];
  name.lastChild.replaceWith(kept, rest);
  name.classList.add("is-cut");
  const keep = (end) => [kept.textContent, rest.textContent] = [whole.slice(0, end), whole.slice(end)];
  for (const part of [WORD_END, LETTER]) {
    const ends = [...whole.matchAll(part)].map(({ index }) => index);
    let [least, most] = [0, ends.length];
    while (least < most) {
      const middle = (least + most) >> 1;
      keep(ends[middle]);
      if (isOver(name)) most = middle;
      else least = middle + 1;
    }
    keep(ends[least - 1] ?? 0);
    if (least) return;
  }
}

export function restore(view) {
  for (const name of view.querySelectorAll(".is-cut")) {
    const [rest, kept] = [...name.children].reverse();
    kept.replaceWith(kept.textContent + rest.textContent);
    rest.remove();
    name.classList.remove("is-cut");
  }
}
