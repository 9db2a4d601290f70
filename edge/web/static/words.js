// The page's texts, in a visitor's words.

const CLEAR = 0.95; // probability from which a match counts as clear
const CERTAINTY = [ // the probability from which each word is used
  [0.9, "Very likely"],
  [0.6, "Probably"],
  [0, "Perhaps"],
];

// The device's confidence in words: visitors cannot judge a number.
export function confidenceWords(match) {
  return match.sure >= CLEAR ? "A clear match" : `${certainty(match.sure)} this one`;
}

// The heading of items of which one is likely to be the right one.
export function choiceWords(items) {
  return `${certainty(items.reduce((sum, item) => sum + item.sure, 0))} one of these`;
}

// The heading of guesses, which claim nothing, however likely they are.
export function guessWords(guesses) {
  return guesses.length === 1 ? "Perhaps this one" : "Perhaps one of these";
}

function certainty(probability) {
  return CERTAINTY.find(([least]) => probability >= least)[1];
}

// One sentence for screen readers.
export function spokenVerdict(sighting) {
  const titles = sighting.matches.map((match) => match.title);
  switch (sighting.verdict) {
    case "match": {
      const { title, location } = sighting.matches[0];
      return location ? `${title}. ${location}` : title;
    }
    case "one_of":
      return `One of these: ${titles.join("; ")}`;
    case "unknown":
      return sighting.guesses
        ? `I am not sure. ${guessWords(sighting.guesses)}: ${sighting.guesses.map((guess) => guess.title).join("; ")}`
        : "I don’t know this one. Try turning it, or search by name.";
    default:
      return "";
  }
}

// Text in which a number stays in one line with its unit, and a currency with its amount.
export function unbroken(text) {
  return text.replace(/(\d) (?=[\p{L}%°€$£¥]{1,4}(?!\p{L}))/gu, "$1\u00a0").replace(/([€$£¥]) (?=\d)/g, "$1\u00a0");
}

export function capitalized(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

export function clock(milliseconds) {
  const moment = new Date(milliseconds);
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = new Date().toDateString() === moment.toDateString();
  return today ? time : `${moment.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

// A catalogue's title, where it has one, and the day on which it was built. Its id begins with
// that day.
export function catalogueName(bundle, title) {
  if (!bundle) return "No catalogue";
  const digits = bundle.match(/^(\d{4})-?(\d\d)-?(\d\d)/);
  if (!digits) return title || `Catalogue ${bundle}`;
  const date = new Date(Number(digits[1]), Number(digits[2]) - 1, Number(digits[3]));
  const day = date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
  return `${title || "Catalogue"} of ${day}`;
}

export const STAGES = {
  capture: "Take the picture",
  look: "Find the thing",
  embed: "Describe it",
  search: "Search",
  verify: "Verify",
  code: "Read codes",
  show: "Show",
};
