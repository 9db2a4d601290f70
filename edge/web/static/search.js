// Requests to the device.

import { ownWords, say } from "./words.js";

// An error whose message is for visitors.
export function told(message) {
  return Object.assign(new Error(message), { isTold: true });
}

// The answer's JSON. Where there is none, an error is thrown, which tells why if the device says so.
export async function ask(address, options) {
  const answer = await fetch(address, options);
  const document = await answer.json().catch(() => null);
  if (answer.ok && document) return document;
  // Words with values say what the staff are to do where nothing can be searched.
  const values = Object.keys(document?.words?.values ?? {});
  if (answer.status === 503 && !values.every((name) => name === "percent")) {
    throw told(say("Nothing can be found at the moment"));
  }
  const detail = await ownWords(document?.detail, document?.words);
  if (detail) throw told(detail);
  throw new Error(`status ${answer.status}`);
}
