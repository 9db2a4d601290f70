// The views of the answer panel: one item, a few items, or a sentence.

import { icon, isOwnScreen, make } from "./dom.js";
import { capitalized, choiceWords, confidenceWords, guessWords, unbroken } from "./words.js";

const NEXT_BEST = 3;
const LONG_TITLE = 48; // letters; longer ones are set smaller
const MOST_ATTRIBUTES = 4;
const PICTURE_PATIENCE = 400; // ms until a panel is shown although its pictures are not there

// Shows views in the panel. A view's pictures are loaded first, so that nothing jumps.
export class Panel {
  #panel;
  #turn = 0;

  constructor(panel) {
    this.#panel = panel;
  }

  async show(view) {
    const turn = ++this.#turn;
    const pictures = [...view.querySelectorAll("img")].map((image) => image.decode().catch(() => {}));
    await Promise.race([Promise.all(pictures), new Promise((go) => setTimeout(go, PICTURE_PATIENCE))]);
    if (turn !== this.#turn) return;
    const focused = this.#panel.contains(document.activeElement);
    this.#panel.replaceChildren(view);
    if (focused) this.#panel.parentElement.focus(); // the focused element is gone
  }
}

// The view of a sighting. open(item) is called when a visitor picks an item, name() when a visitor
// wants to search by name.
export function sightingView(sighting, open, name) {
  const view = verdictView(sighting, open, name);
  if (sighting?.unknown_gtin && sighting.verdict !== "nothing")
    view.append(make("p", "also", `Read ${sighting.unknown_gtin}, not in this catalogue.`));
  if (sighting?.things > 1 && sighting.verdict !== "nothing")
    view.append(make("p", "also", "There is more than one thing; this is about the largest."));
  return view;
}

function verdictView(sighting, open, name) {
  switch (sighting?.verdict) {
    case "match":
      return matchView(sighting.matches, open, sighting.code);
    case "one_of":
      return choiceView(choiceWords(sighting.matches), sighting.matches.slice(0, NEXT_BEST), open);
    case "unknown":
      if (sighting.guesses) return guessView(sighting.guesses, open, name);
      return sentenceView(
        "turn",
        "I don’t know this one.",
        "Try turning it, or ",
        textButton("search by name", name),
        ".",
      );
    default:
      return sentenceView("hold", "Hold something in front of the camera", "I will tell you what it is.");
  }
}

function matchView(matches, open, code) {
  const [best, ...others] = matches;
  const confidence = code ? "Read from its code" : confidenceWords(best);
  const view = make("article", "match", make("p", "sure", confidence), thing(best));
  if (others.length) {
    const next = make("section", "others", make("h3", "also", "Not it? Perhaps one of these"));
    const list = rows(others.slice(0, NEXT_BEST), open);
    list.classList.add("next");
    next.append(list);
    view.append(next);
  }
  return view;
}

// One item with all details and pictures.
export function itemView(item) {
  const view = make("article", "match item", thing(item));
  const more = (item.photos ?? []).slice(1, 7);
  if (more.length) {
    const list = make("ul", "more-photos");
    for (const photo of more) list.append(make("li", "", mat(photo.address)));
    view.append(list);
  }
  return view;
}

export function choiceView(heading, items, open) {
  const list = make("ul", "cards");
  for (const item of items) {
    const card = make(
      "button",
      "card",
      mat(item.photo),
      make(
        "span",
        "card-label",
        make("span", "name", unbroken(item.title)),
        item.location ? make("span", "where", unbroken(item.location)) : null,
        item.price ? make("span", "cost", unbroken(item.price)) : null,
      ),
    );
    card.type = "button";
    card.addEventListener("click", () => open(item));
    list.append(make("li", "", card));
  }
  return make("article", "choice", make("h2", "heading", heading), list);
}

// What an unknown thing perhaps is, plainly as guesses.
function guessView(guesses, open, name) {
  const view = choiceView(guessWords(guesses), guesses, open);
  view.classList.add("guess");
  const advice = ["I am not sure. Try turning it, or ", textButton("search by name", name), "."];
  view.querySelector(".heading").after(make("p", "advice", ...advice));
  return view;
}

export function foundView(items, open) {
  const view = make("article", "found");
  view.append(rows(items, open));
  return view;
}

export function sentenceView(drawing, words, ...advice) {
  return make(
    "article",
    "sentence",
    icon(drawing),
    make("h2", "words", words),
    make("p", "advice", ...advice),
  );
}

export function textButton(words, act) {
  const button = make("button", "text-button", words);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

function thing(item) {
  const label = make("div", "label", make("h2", item.title.length > LONG_TITLE ? "title long" : "title", unbroken(item.title)));
  if (item.location) {
    label.append(make("p", "location", icon("place"), make("span", "clamp", unbroken(item.location))));
  }
  if (item.price) label.append(make("p", "price", unbroken(item.price)));
  const attributes = Object.entries(item.attributes ?? {}).slice(0, MOST_ATTRIBUTES);
  if (attributes.length) {
    const list = make("dl", "attributes");
    for (const [name, value] of attributes) {
      list.append(make("dt", "clamp", capitalized(name)), make("dd", "clamp", unbroken(value)));
    }
    label.append(list);
  }
  const address = shopAddress(item.url);
  if (address) {
    const link = make("a", "more", "More about it");
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    label.append(link);
  }
  return make("div", "thing", mat(item.photo), label);
}

function rows(items, open) {
  const list = make("ul", "rows");
  for (const item of items) {
    const row = make(
      "button",
      "row",
      mat(item.photo),
      make("span", "name", unbroken(item.title)),
      make("span", "where", unbroken(item.location) || " "),
      make("span", "cost", unbroken(item.price)),
    );
    row.type = "button";
    row.addEventListener("click", () => open(item));
    list.append(make("li", "", row));
  }
  return list;
}

function mat(address) {
  if (!address) return make("span", "mat", make("span", "no-photo", "No photo yet"));
  const image = make("img", "mat");
  image.src = address;
  image.alt = "";
  image.width = 320;
  image.height = 320;
  // the catalogue was exchanged meanwhile: show an empty mat instead of a broken picture
  image.addEventListener("error", () => image.replaceWith(make("span", "mat")));
  return image;
}

// A kiosk's own screen shows no links: a visitor could not come back from a shop's website.
function shopAddress(url) {
  return !isOwnScreen && /^https?:\/\//i.test(url ?? "") ? url : null;
}
