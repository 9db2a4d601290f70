// How names end that have more words than lines. Loaded when there are some.

import { make } from "./dom.js";

const WORD_END = /[,;:]*[^\S\u00a0]+|[\u2e80-\u9fff]/g; // Chinese and Japanese lines end anywhere
const LETTER = /./gu;
const LEAST_KEPT = 0.5; // of the letters that have room, where a name ends after a whole word

const endsAfter = (part, words) =>
  [...words.matchAll(part)].map(({ index }) => index).filter((index) => index > 0);

class Name {
  constructor(name) {
    this.name = name;
    this.whole = name.lastChild.data;
    [this.kept, this.rest] = [make("span", "kept"), make("span", "unseen")];
    name.lastChild.replaceWith(this.kept, this.rest);
    name.classList.add("is-cut");
    this.ends = endsAfter(LETTER, this.whole);
    [this.least, this.most] = [0, this.ends.length];
  }

  get middle() {
    return (this.least + this.most) >> 1;
  }

  keep(end) {
    this.kept.textContent = this.whole.slice(0, end);
    this.rest.textContent = this.whole.slice(end);
  }

  narrow() {
    if (this.name.scrollHeight > this.name.clientHeight + 1) this.most = this.middle;
    else this.least = this.middle + 1;
  }

  end() {
    const most = this.ends[Math.max(0, this.least - 1)] ?? this.whole.length;
    const word = endsAfter(WORD_END, this.whole).filter((end) => end <= most).pop();
    this.keep(word >= LEAST_KEPT * most ? word : most);
  }
}

// End names that are cut, after a whole word where much of the room is used then; screen readers
// have the rest. All are tried together: each step costs one layout, however many there are.
export function shorten(views) {
  const names = views.map((name) => new Name(name));
  const open = () => names.filter(({ least, most }) => least < most);
  for (let all = open(); all.length; all = open()) {
    all.forEach((name) => name.keep(name.ends[name.middle]));
    all.forEach((name) => name.narrow());
  }
  names.forEach((name) => name.end());
}

export function restore(view) {
  for (const name of view.querySelectorAll(".is-cut")) {
    const [rest, kept] = [...name.children].reverse();
    kept.replaceWith(kept.textContent + rest.textContent);
    rest.remove();
    name.classList.remove("is-cut");
  }
}
