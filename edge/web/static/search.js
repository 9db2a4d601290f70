// Requests to the device: items by text, one item. photo-search.js has the search with a photo.

import { timeLimit } from "./dom.js";
import { localItem, ownWords, say } from "./words.js";

export const MOST_FOUND = 24;
export const PATIENCE = 30_000; // milliseconds

export async function findItems(text, signal) {
  const { items } = await ask(`api/items?q=${encodeURIComponent(text)}&limit=${MOST_FOUND}`, { signal });
  return items.map(localItem);
}

export async function fetchItem(sku) {
  return localItem(await ask(`api/items/${encodeURIComponent(sku)}`, { signal: timeLimit(PATIENCE) }));
}

export async function fetchShowcase() {
  return (await ask("api/showcase", { signal: timeLimit(PATIENCE) })).items.map(localItem);
}

export function fetchStatus() {
  return ask("api/status", { signal: timeLimit(PATIENCE) });
}

// The answer's JSON; where there is none, an Error with a text for visitors is thrown.
export async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error(say("The device does not answer. Try again in a moment."));
  }
  const document = await answer.json().catch(() => null);
  if (answer.ok && document) return document;
  const detail = await ownWords(document?.detail, document?.words);
  throw new Error(detail ?? say("That did not work. Try again."));
}
