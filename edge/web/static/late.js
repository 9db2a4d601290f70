// Loads what is not needed at once: scripts, style sheets of some views, and their sentences.

import { byId, inTime, timeLimit } from "./dom.js";

const PATIENCE = 10_000; // ms
const AGAIN = 10_000; // ms
const SILENT = ["address.js", "ends.js", "late-styles.js"]; // they say nothing, and wait for no sentences
const missed = {}; // how often each script did not come
const brought = byId("sentences");
let further = null; // the promise of the sentences that are not in the page

// The page's sentences in another language, by the English ones.
export const SENTENCES = brought ? JSON.parse(brought.textContent) : {};

// Load a script that is not needed at once. Where it does not come in time that is an error, and the
// next call asks by another address: an import that hangs would hang for ever. One that still waits
// for its sentences was not asked for. Late scripts import each other by this, too.
export async function late(name, patience = PATIENCE) {
  let isAsked = false;
  const loading = sentencesOf(name).then(() => {
    isAsked = true;
    return import(`./${name}${missed[name] ? `?${missed[name]}` : ""}`);
  });
  try {
    return await inTime(loading, patience);
  } catch (error) {
    if (isAsked) missed[name] = (missed[name] ?? 0) + 1;
    throw error;
  }
}

// What the device and late scripts say in another language than English.
async function sentencesOf(name) {
  if (!brought || SILENT.includes(name)) return;
  further ??= fetchSentences();
  try {
    Object.assign(SENTENCES, await further);
  } catch (error) {
    further = null; // the next one asks again
    throw error;
  }
}

async function fetchSentences() {
  const answer = await fetch(brought.dataset.further, { signal: timeLimit(PATIENCE) });
  if (!answer.ok) throw new Error(`status ${answer.status}`); // what is wrong is JSON, too
  return answer.json();
}

// Load style sheets of some views, which are shown without them if need be.
export function loadStyles(...names) {
  return late("late-styles.js", 2_000).then(({ load }) => Promise.all(names.map(load)), () => {});
}

// The same for a script that nobody waits for: it is asked for until it comes, on a slow link, too.
export function sometime(name, use) {
  late(name, 45_000).then(use, () => setTimeout(() => sometime(name, use), AGAIN));
}
