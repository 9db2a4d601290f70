// Whether a thing that was just taught is recognised when it is shown again.

import { wait } from "./dom.js";
import { say } from "./words.js";

const [PATIENCE, TURN] = [10 * 60_000, 700]; // ms for which it is looked out for, and from one look to the next

// Tell in words of each new answer about an item, for as long as goesOn() holds and staff are here.
export async function lookAgain(link, sku, goesOn, onWords) {
  const end = Date.now() + PATIENCE;
  let known = JSON.stringify(await newest(link, sku));
  while (goesOn() && link.entered && Date.now() < end) {
    await wait(TURN);
    const answer = document.hidden ? null : await newest(link, sku);
    if (!goesOn() || !answer || JSON.stringify(answer) === known) continue;
    known = JSON.stringify(answer);
    onWords(answer.named ? say("Seen again: recognised.") : say("Seen again, but not surely: teach it more sides."));
  }
}

// The newest answer where it is about an item, and whether it names that one alone.
async function newest(link, sku) {
  const latest = await link.ask("GET", "api/latest").catch(() => null);
  const { id, verdict, matches = [], guesses = [] } = latest?.sighting ?? {};
  if (![...matches, ...guesses].some((item) => item.sku === sku)) return null;
  return { id, named: verdict === "match" && matches[0].sku === sku };
}
