// Requests to the device.

import { ownWords } from "./words.js";

// An error whose message is for visitors.
export function told(message) {
  return Object.assign(new Error(message), { isTold: true });
}

// The answer's JSON. Where there is none, an error is thrown, which tells why if the device says so.
export async function ask(address, options) {
  const answer = await fetch(address, options);
  const document = await answer.json().catch(() => null);
  if (answer.ok && document) return document;
  const detail = await ownWords(document?.detail, document?.words);
  if (detail) throw told(detail);
  throw new Error(`status ${answer.status}`);
}
