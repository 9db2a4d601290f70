// Requests to the device: items by text, one item, a search with a photo.

import { timeLimit } from "./dom.js";
import { localItem, localSighting, ownWords, say } from "./words.js";

const LARGEST_PHOTO = 64 * 1024 * 1024 - 4096; // the device's limit minus the form around the photo
export const MOST_FOUND = 24;
const PATIENCE = 30_000; // milliseconds
const SLOW_UPLOAD = 32; // bytes a millisecond: a phone at the edge of the network

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

// `box` is in pixels of the photo; empty for all of it.
export async function searchPhoto(file, box = "") {
  if (file.size > LARGEST_PHOTO) {
    throw new Error(say("This photo is larger than 64 MiB. Choose a smaller one."));
  }
  const form = new FormData();
  form.append("photo", file, file.name || "photo.jpg");
  if (box) form.append("box", box);
  const signal = timeLimit(PATIENCE + file.size / SLOW_UPLOAD);
  return localSighting(await ask("api/search", { method: "POST", body: form, signal }));
}

// The answer's JSON; where there is none, an Error with a text for visitors is thrown.
async function ask(address, options) {
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
