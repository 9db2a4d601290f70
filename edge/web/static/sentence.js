// A text of the device, which begins with a small letter, as a sentence.

import { capitalized } from "./words.js";

const ENDED = /[.!?…。！？][\u2069"'”’»」』]*$/;
const FOREIGN_END = /[A-Za-z][^\s\u2069]* [^\u2069]*\u2069+$/; // words in English behind those of the page's language
const CHINESE_OR_JAPANESE = /[\u3040-\u30ff\u3400-\u9fff]/;

// With a capital, and with the full stop of its writing, where it has none.
export function asSentence(text) {
  if (!text || ENDED.test(text)) return capitalized(text);
  if (FOREIGN_END.test(text)) return capitalized(text).replace(/\u2069+$/, ".$&"); // it runs as they do
  return capitalized(text) + (CHINESE_OR_JAPANESE.test(text) ? "。" : ".");
}
