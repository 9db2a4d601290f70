// The page's sentences, in the visitor's language. English is the text in the scripts; the page
// brings the sentences of another language along, or fetches them (see edge/web/languages.py).

import { SENTENCES, late } from "./late.js";

export const WORDS_DUE = 2_000; // ms until the page goes on without words of the device
const CLEAR = 0.95; // probability from which a match counts as clear
const LANGUAGE = document.documentElement.lang;
// The visitor's own kind of the language, as en-GB, writes times and numbers; "en-US@posix" is none.
const KIND = RegExp(`^${LANGUAGE}(-\\w+)*$`);
const kind = navigator.languages.find((name) => KIND.test(name)) ?? LANGUAGE;
export const LOCALE = new Intl.Locale(kind, { numberingSystem: "latn" }); // digits as the catalogue's
const FIELDS = ["title", "price", "location"];
const PRICE = /^(\D*)(\d{1,3}(?:[.,'’\u00a0\u202f ]?\d{3})*)[.,](\d{2})(\D*)$/;

// Around a value between words from right to left: it keeps its own direction.
const [OPEN, CLOSE] = document.documentElement.dir === "rtl" ? ["\u2068", "\u2069"] : ["", ""];

// A sentence in the visitor's language, with values in place of {names}.
export function say(text, values = {}) {
  return (SENTENCES[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => OPEN + values[name] + CLOSE);
}

// A text of the device in the page's language; see told.js.
export async function ownWords(text, words) {
  if (!words || LANGUAGE === "en") return text;
  return late("told.js", WORDS_DUE).then(({ told }) => told(words)).catch(() => text);
}

// The same as parts, where a value may be an element.
export function sayParts(text, values) {
  return (SENTENCES[text] ?? text)
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith("{") ? values[part.slice(1, -1)] : part))
    .filter((part) => part !== "");
}

const CERTAINTY = [ // the probability from which each pair of sentences is used
  [0.9, say("Very likely this one"), say("Very likely one of these")],
  [0.6, say("Probably this one"), say("Probably one of these")],
  [0, say("Perhaps this one"), say("Perhaps one of these")],
];

// The device's confidence in words: visitors cannot judge a number.
export function confidenceWords(match) {
  return match.sure >= CLEAR ? say("A clear match") : certainty(match.sure)[1];
}

// The heading of items of which one is likely to be the right one.
export function choiceWords(items) {
  return certainty(items.reduce((sum, item) => sum + item.sure, 0))[2];
}

// The heading of guesses, which claim nothing, however likely they are.
export function guessWords(guesses) {
  return certainty(0)[guesses.length === 1 ? 1 : 2];
}

function certainty(probability) {
  return CERTAINTY.find(([least]) => probability >= least);
}

// One sentence for screen readers.
export function spokenVerdict(sighting) {
  switch (sighting.verdict) {
    case "match":
      return spokenMatch(sighting);
    case "one_of":
      return say("One of these: {titles}", { titles: titles(sighting.matches) });
    case "unknown":
      return sighting.guesses
        ? `${guessWords(sighting.guesses)}: ${titles(sighting.guesses)}`
        : `${say("I don’t know this one.")} ${say("Try turning it, or {search}.", { search: say("search by name") })}`;
    default:
      return "";
  }
}

function titles(items) {
  return items.map((item) => item.title).join("; ");
}

function spokenMatch({ matches: [best], code }) {
  const sureness = code ? say("Read from its code") : confidenceWords(best);
  return [best.title, best.location, best.price, sureness].filter(Boolean).join(". ");
}

// Text in which a number stays in one line with its unit or word, and a currency with its amount.
export function unbroken(text) {
  return text.replace(/(\d(?= [\p{L}%°€$£¥]{1,7}(?!\p{L}))|[€$£¥](?= \d)|(?:^|[,،] )\p{L}{1,9}(?= \d\S*(?:$|[,،]))) /gu, "$1\u00a0");
}

// A price with its number as the visitor writes it; a text that is more than one number stays.
function localPrice(text) {
  const found = PRICE.exec(text);
  if (!found) return text;
  const [, before, whole, hundredths, after] = found;
  const number = Number(`${whole.replace(/\D/g, "")}.${hundredths}`);
  return before + number.toLocaleString(LOCALE, { minimumFractionDigits: 2 }) + after;
}

// An item in the visitor's language, as far as the catalogue has it: "title:de" goes before "title".
export function localItem(item) {
  const all = item.attributes ?? {};
  const own = (name) => all[`${name}:${LANGUAGE}`];
  const local = { ...item, attributes: {} };
  for (const name of FIELDS) if (own(name)) local[name] = own(name);
  local.price = localPrice(local.price ?? "");
  for (const [name, value] of Object.entries(all)) {
    if (!/:[a-z]{2}$/.test(name)) local.attributes[name] = own(name) ?? value;
  }
  if (item.similar) local.similar = item.similar.map(localItem);
  return local;
}

export function localSighting(sighting) {
  return { ...localThing(sighting), things: sighting.things.map(localThing) };
}

function localThing(thing) {
  const local = { ...thing, matches: thing.matches.map(localItem) };
  if (thing.guesses) local.guesses = thing.guesses.map(localItem);
  return local;
}

export function capitalized(text) {
  return text.charAt(0).toLocaleUpperCase(LANGUAGE) + text.slice(1);
}

export function clock(milliseconds) {
  const moment = new Date(milliseconds);
  const time = { hour: "2-digit", minute: "2-digit" };
  const today = new Date().toDateString() === moment.toDateString();
  if (today) return moment.toLocaleTimeString(LOCALE, time);
  return moment.toLocaleString(LOCALE, { day: "numeric", month: "short", ...time });
}
