// How far a device is that has no catalogue yet. Loaded where it has none.

import { late } from "./late.js";
import { WORDS_DUE, ownWords } from "./words.js";

// A sentence for visitors; empty where the device waits for somebody. Words with other values than a
// percentage say what is to be done: that is the staff's, and stands in their area.
export async function progress({ waiting, waiting_words: words }) {
  const isOnItsWay = words && Object.keys(words.values).every((name) => name === "percent");
  if (!isOnItsWay) return "";
  const { asSentence } = await late("sentence.js", WORDS_DUE);
  return asSentence(await ownWords(waiting, words));
}
