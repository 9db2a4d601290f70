// Tells of a price without a currency, as the build of a catalogue does; nothing is refused.

import { make } from "./dom.js";
import { say } from "./words.js";

const BARE = /^[-+]?[\p{Nd}\s.,'’]*\p{Nd}[\p{Nd}\s.,'’]*[-–—]?$/u; // a number, however it is written

// The sentence about what a field says, to be placed near it; empty where all is well.
export function priceNote(field) {
  const note = make("p", "soft");
  note.id = `${field.id}-note`;
  note.setAttribute("role", "status");
  field.setAttribute("aria-describedby", note.id);
  const words = say("Visitors see this price without a currency. Write it with one, as in € 6.90.");
  const tell = () => (note.textContent = BARE.test(field.value.trim()) ? words : "");
  field.addEventListener("input", tell);
  field.form?.addEventListener("reset", () => (note.textContent = ""));
  tell();
  return note;
}
