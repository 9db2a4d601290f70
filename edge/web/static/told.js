// What the device says, in the page's language: it sends the English sentence, with the values in it
// (see edge/words.py). Loaded when there is something of it, with its sentences.

import { say } from "./words.js";

// What the device sends beside an English text, as a text in the page's language.
export function told({ sentence, values }) {
  const own = Object.entries(values)
    .map(([name, value]) => [name, typeof value === "string" ? value : told(value)]);
  return say(sentence, Object.fromEntries(own));
}
