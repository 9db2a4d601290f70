// Commands, addresses and versions in a sentence, each in one piece: it goes to a line of its own before it is broken.

import { make } from "./dom.js";

const OPENED = /^['“„«「『]/;
// In the quotation marks of each language, with the signs around it that give it its direction.
const QUOTED = String.raw`\B'[ -&(-~]+'|[“„«「『][\s\u2066-\u2069]*[ -~]+[\s\u2066-\u2069]*[”“»」』]`;
const [ADDRESS, VERSION] = ["[^\\s\u2066-\u2069]+://[^\\s\u2066-\u2069]+", "(?:[A-Z]\\w*|visual-search) \\d+\\.\\d[^\\s\u2066-\u2069]*"];
const WHOLE = RegExp(`((?:${QUOTED}|${ADDRESS}|${VERSION})[.,:;!?،؛。、]*)`);

// A sentence as its parts, texts and elements.
export function inWhole(words) {
  return words.split(WHOLE).map((part, place) => (place % 2 ? whole(part) : part));
}

// What ends a quoted command belongs to the sentence around it; what ends an address may belong to English words.
function whole(part) {
  const made = make("span", "whole", part);
  if (!OPENED.test(part)) made.dir = "auto";
  return made;
}
