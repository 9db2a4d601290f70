// The views of the answer panel: one item, a few items, or a sentence.

import { icon, isKiosk, isOwnScreen, make, text } from "./dom.js";
import { late } from "./late.js";
import { capitalized, choiceWords, confidenceWords, guessWords, say, sayParts, unbroken } from "./words.js";

const NEXT_BEST = 3;
const LONG_TITLE = 48; // letters; longer ones are set smaller
const MOST_ATTRIBUTES = 4;

// The view of a sighting. open(item) and name(), to search by name, are a visitor's wishes.
export function sightingView(sighting, open, name) {
  const view = verdictView(sighting, open, name);
  if (sighting?.unknown_gtin && sighting.verdict !== "nothing")
    view.append(make("p", "also", say("Read {code}, not in this catalogue.", { code: sighting.unknown_gtin })));
  return view;
}

function verdictView(sighting, open, name) {
  switch (sighting?.verdict) {
    case "match":
      return matchView(sighting, open);
    case "one_of":
      return choiceView(sighting, open);
    case "unknown":
      if (sighting.guesses) return choiceView(sighting, open, name);
      return sentenceView(
        "ask",
        say("I don’t know this one."),
        ...sayParts("Try turning it, or {search}.", { search: textButton(say("search by name"), name) }),
      );
    default:
      return sentenceView(
        "hold",
        say("Hold something in front of the camera"),
        say("I will tell you what it is."),
      );
  }
}

function matchView({ matches, code, things }, open) {
  const [best, ...others] = matches;
  const confidence = code ? say("Read from its code") : confidenceWords(best);
  const button = openButton("open", best, open);
  button.setAttribute("aria-label", say("Open {title}", { title: best.title }));
  const view = make("article", "match", make("p", "sure", confidence), thing(best), button);
  if (others.length && things.length < 2) {
    const next = make("section", "others", make("h3", "also", say("Not it? Perhaps one of these")));
    const list = itemRows(others.slice(0, NEXT_BEST), open);
    list.classList.add("next");
    next.append(list);
    view.append(next);
  }
  return view;
}

// A few items, of which one may be the right one: cards.js makes cards of them. Where it does not
// come, they are rows.
function choiceView({ matches, guesses }, open, name) {
  const items = guesses ?? matches.slice(0, NEXT_BEST);
  const heading = guesses ? guessWords(guesses) : choiceWords(matches);
  const head = make("div", "head", make("h2", "heading", heading));
  const view = make("article", guesses ? "choice guess" : "choice", head);
  if (guesses) {
    const search = textButton(say("search by name"), name);
    view.append(make("p", "advice", ...sayParts("Try turning it, or {search}.", { search })));
  }
  const fill = (cards) => cards.fill(view, items, open);
  const rows = () => view.append(itemRows(items, open));
  view.ready = late("cards.js").then(fill, rows).then(() => refit(view));
  return view;
}

// Tell the panel that something else is in its view.
export function refit(part) {
  part.dispatchEvent(new Event("refit", { bubbles: true }));
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

// The item as a label.
export function thing(item, mostAttributes = MOST_ATTRIBUTES) {
  const long = item.title.length > LONG_TITLE ? " long" : "";
  const title = text("h2", `title${long}`, unbroken(item.title));
  const label = make("div", "label", title);
  if (item.location) {
    label.append(make("p", "location", icon("place"), text("span", "clamp", unbroken(item.location))));
  }
  if (item.price) label.append(text("p", "price", unbroken(item.price)));
  const attributes = Object.entries(item.attributes ?? {}).slice(0, mostAttributes);
  if (attributes.length) {
    const list = make("dl", "attributes");
    for (const [name, value] of attributes) {
      list.append(text("dt", "clamp", capitalized(name)), text("dd", "clamp", unbroken(value)));
    }
    label.append(list);
  }
  const address = shopAddress(item.url);
  if (address) {
    const link = make("a", "more", say("More about it"));
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    label.append(link);
  }
  return make("div", `thing${long}`, mat(item.photo), label);
}

export function itemRows(items, open) {
  const list = make("ul", "rows");
  for (const item of items) {
    const parts = [
      mat(item.photo),
      text("span", "name", unbroken(item.title)),
      item.location ? text("span", "where", unbroken(item.location)) : "",
      item.price ? text("span", "cost", unbroken(item.price)) : "",
    ];
    list.append(make("li", "", openButton("row", item, open, ...parts)));
  }
  return list;
}

export function openButton(className, item, open, ...children) {
  const button = make("button", className, ...children);
  button.type = "button";
  button.addEventListener("click", () => open(item));
  return button;
}

export function mat(address) {
  if (!address) return make("span", "mat", make("span", "no-photo", say("No photo yet")));
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
  return !isOwnScreen && !isKiosk && /^https?:\/\//i.test(url ?? "") ? url : null;
}
