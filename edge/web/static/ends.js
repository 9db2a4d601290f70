// How names end that have more words than lines. Loaded when there are some.

import { make } from "./dom.js";

const WORD_END = /[,;:]*[^\S\u00a0]+|[\u2e80-\u9fff\uff01-\uff9d]/g; // Chinese and Japanese lines end anywhere
const LETTERS = Intl.Segmenter && new Intl.Segmenter(); // with their marks; few browsers have none
const LEAST_KEPT = 0.5; // of the letters that have room, where a name ends after a whole word
const MOST_EMPTY = 2.5; // lines, there

const placesOf = (parts) => [...parts].map(({ index }) => index).filter((index) => index > 0);
const wordEnds = (words) => placesOf(words.matchAll(WORD_END));
const letterEnds = (words) => placesOf(LETTERS ? LETTERS.segment(words) : words.matchAll(/./gu));

class Name {
  constructor(name) {
    this.name = name;
    this.whole = name.lastChild.data;
    this.lines = Math.floor(name.clientHeight / parseFloat(getComputedStyle(name).lineHeight));
    this.ends = letterEnds(this.whole);
    [this.least, this.most] = [0, this.ends.length];
  }

  divide() {
    [this.kept, this.rest] = [make("span", "kept"), make("span", "unseen")];
    this.name.lastChild.replaceWith(this.kept, this.rest);
    this.name.classList.add("is-cut");
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
    const word = wordEnds(this.whole).filter((end) => end <= most).pop();
    this.keep(word >= most * Math.max(LEAST_KEPT, 1 - MOST_EMPTY / this.lines) ? word : most);
  }
}

// End names that are cut, after a whole word where much of the room is used then; screen readers
// have the rest. All are read, then all written: each step costs one layout, however many there are.
export function shorten(views) {
  const names = views.map((name) => new Name(name));
  names.forEach((name) => name.divide());
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
