// What the device says, in the page's language: it sends the English sentence, with the values in it
// (see edge/words.py). Loaded when there is something of it.

import { timeLimit } from "./dom.js";
import { LANGUAGE, say } from "./words.js";

const PATIENCE = 2_000; // ms

let known = null; // the device's sentences in this language, by the English ones

// What the device sends beside an English text, as a text in the page's language.
export async function told(words) {
  known ??= fetch(`sentences/${LANGUAGE}.json`, { signal: timeLimit(PATIENCE) }).then((answer) => {
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
  });
  try {
    return filled(words, await known);
  } catch (error) {
    known = null; // the next one asks again
    throw error;
  }
}

function filled({ sentence, values }, sentences) {
  const own = Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value : filled(value, sentences)]);
  const translated = sentences[sentence];
  const isWords = typeof translated === "string";
  return say(isWords ? translated : sentence, Object.fromEntries(own));
}
