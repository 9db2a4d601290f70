// How far a device is that has no catalogue yet, or the way to its setup. Loaded where it has none.

import { textButton } from "./answer.js";
import { isKiosk, text } from "./dom.js";
import { late } from "./late.js";
import { WORDS_DUE, ownWords, say } from "./words.js";

// What the panel says, and what a screen reader; empty where the device waits for somebody. Words with other values than
// a percentage say what is to be done: that is the staff's, and stands in their area. A device that nobody has set up
// has none: who opens its page is led to the setup, which asks for its PIN, or for the code on its console.
export async function progress({ waiting, waiting_words: words }) {
  if (words?.values.setup && !isKiosk) {
    const open = () => location.assign(`${words.values.setup.slice(1)}${location.search}`);
    return { advice: textButton(say("Set up this device"), open) };
  }
  const isOnItsWay = words && Object.keys(words.values).every((name) => name === "percent");
  if (!isOnItsWay) return "";
  const { asSentence } = await late("sentence.js", WORDS_DUE);
  const sentence = asSentence(await ownWords(waiting, words));
  return { advice: text("span", "", sentence), spoken: sentence.replace(/[,，،、]?\s*\d+\S?\s?[%٪]/, "") }; // not each percent
}
