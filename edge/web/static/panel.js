// The panel that shows one view after the other, each as large as there is room for.

import { wait } from "./dom.js";
import { late } from "./late.js";

const PATIENCE = 1_200; // ms until a view is shown without a script or a sheet of it
const PICTURE_PATIENCE = 400; // ms until a view is shown without its pictures
const STEPS = ["fit-1", "fit-2", "fit-3", "fit-4", "fit-5", "fit-6"]; // see answer.css
const SHRINKING = 4; // the step from which on an item's name is smaller, as far as it must be
const SHRINKS = [0.93, 0.86, 0]; // of its size; at last, it has the least
const FOR_WORDS = [1, 0.93, 0.86, 0.79, 0.72]; // so that no word is broken
const SMALL = "0.8fr"; // a photo, beside 3fr for the label
const PHOTOS = ["", "2fr", "1.3fr", "1fr", SMALL];
const CLAMPING = 6; // the step from which on names have a number of lines
const MARGIN = 8; // px below a sentence
const FEWER = "fit-3"; // leaves out the third card
const FEW_LINES = 2;
const MAY_BE_CUT = ".title, .name, .where, .clamp";
const LINES = [8, 7, 6, 5, 4, 3, 2, 1]; // the most that a name has, where there is room
const OF_PLACES = ["none", 3, 2, 1]; // the most that a card's place has
// What gets room that is left, each the first of these that fits: places, attributes, the photo
// where no name is cut, and what is between the lines, and in rows.
const REFILLS = [
  ["is-wordy"],
  ["is-refilled", "is-refilled-in-a-line"],
  ["is-pictured", "is-a-little-pictured"],
  ["is-spaced"],
  ["is-airy"],
];

export class Panel {
  #panel;
  #turn = 0;
  #ends = null; // of names that are cut; the script for them comes when there are some

  constructor(panel) {
    this.#panel = panel;
    new ResizeObserver(() => this.#fit()).observe(panel);
    panel.addEventListener("refit", () => this.#fit());
    document.fonts?.addEventListener("loadingdone", () => this.#fit());
  }

  // A view is made ready, and its pictures are loaded first, so that nothing jumps.
  async show(view, ready = null) {
    const turn = ++this.#turn;
    await Promise.race([Promise.all([view.ready, ready]), wait(PATIENCE)]);
    const pictures = [...view.querySelectorAll("img")].map((image) => image.decode().catch(() => {}));
    await Promise.race([Promise.all(pictures), wait(PICTURE_PATIENCE)]);
    if (turn !== this.#turn) return;
    const focused = this.#panel.contains(document.activeElement);
    this.#panel.replaceChildren(view);
    this.#fit();
    if (focused) this.#panel.parentElement.focus(); // the focused element is gone
  }

  // Leave out and shrink, step by step, what matters least, until the rest fits; then fill what room
  // is left.
  #fit() {
    const view = this.#panel.firstElementChild;
    if (!view) return;
    this.#ends?.restore(view);
    view.classList.remove(...REFILLS.flat(), ...STEPS);
    for (const name of ["--room", "--place", "--shrink", "--photo"]) view.style.removeProperty(name);
    let step = 0;
    fitName(view);
    while (isCut(view) && step < STEPS.length) {
      view.classList.add(STEPS[step]);
      step += 1;
      if (step < SHRINKING) fitName(view);
      if (step === SHRINKING) vary(view, "--shrink", SHRINKS, (all) => isCut(all) || isWordBroken(all));
    }
    if (step >= CLAMPING) clamp(view);
    if (step) refill(view);
    view.fit?.();
    const names = [...view.querySelectorAll(MAY_BE_CUT)].filter(isOver);
    if (this.#ends) this.#ends.shorten(names);
    else if (names.length) late("ends.js").then((ends) => this.#cut(ends), () => {});
  }

  #cut(ends) {
    this.#ends = ends;
    this.#fit();
  }
}

// The photo gives way where that leaves a name in two lines, or its words whole; else the name gets
// smaller. If the smallest photo does not help, none is tried: each try costs a layout. At last, where
// a word is broken in any case, the letters are the least.
function fitName(view) {
  const isHigh = () => isWordBroken(view) || lineCount(view) > FEW_LINES;
  const isGood = (photo, sizes, isBad) => {
    view.style.setProperty("--photo", photo);
    return vary(view, "--shrink", sizes, isBad);
  };
  const few = FOR_WORDS.slice(0, 2);
  (isGood(SMALL, few, isHigh) && PHOTOS.some((photo) => isGood(photo, few, isHigh))) ||
    (isGood(SMALL, FOR_WORDS, isWordBroken) && FOR_WORDS.some((size) => PHOTOS.some((photo) => isGood(photo, [size], isWordBroken)))) ||
    isGood("1fr", FOR_WORDS.slice(-1));
}

// Let names have as many lines as there is room for. One that is cut in any case takes no card's
// place, and of a card's name two lines are left before its place is cut.
function clamp(view) {
  if (view.matches(".choice")) {
    view.classList.remove(FEWER);
    if (vary(view, "--room", LINES.slice(0, -FEW_LINES))) return;
    view.classList.add(FEWER);
    for (const lines of OF_PLACES) {
      view.style.setProperty("--place", lines);
      if (vary(view, "--room", LINES.slice(0, -1))) return;
    }
  }
  vary(view, "--room", LINES);
}

// Give a variable the first of some values by which all fits, else the last. Tells whether one is.
function vary(view, name, values, isBad = isCut) {
  for (const value of values) {
    view.style.setProperty(name, value);
    if (!isBad(view)) return true;
  }
  return false;
}

function refill(view) {
  const high = nameHeight(view);
  for (const names of REFILLS) {
    for (const name of names) {
      view.classList.add(name);
      if (!isCut(view) && !(name.endsWith("pictured") && isSpoilt(view, high))) break;
      view.classList.remove(name);
    }
  }
}

// Whether a larger photo breaks a word, gives the name another line, or is itself narrower than its
// place.
function isSpoilt(view, high) {
  const photo = view.querySelector(".thing > img");
  return isWordBroken(view) || nameHeight(view) > high + 1 || (photo && photo.clientHeight < photo.clientWidth - 1);
}

function nameHeight(view) {
  return view.querySelector(".title")?.clientHeight;
}

function lineCount(view) {
  const title = view.querySelector(".title");
  return title && Math.floor(title.clientHeight / parseFloat(getComputedStyle(title).lineHeight));
}

function isWordBroken(view) {
  const title = view.querySelector(".title");
  if (!title) return false;
  const room = title.offsetWidth;
  Object.assign(title.style, { overflowWrap: "normal", width: "min-content" });
  const needed = title.offsetWidth;
  Object.assign(title.style, { overflowWrap: "", width: "" });
  return needed > room;
}

function isCut(view) {
  if (view.matches(".item, .found")) return false; // these scroll
  const bottom = (part) => part.getBoundingClientRect().bottom;
  if (view.matches(".sentence") && bottom(view.lastElementChild) > bottom(view) - MARGIN) return true;
  const parts = [view, ...view.querySelectorAll(".thing, .card, .card-label, .others")];
  return parts.some(isOver);
}

function isOver(part) {
  return part.scrollHeight > part.clientHeight + 1;
}
