// A text of the device, which begins with a small letter, as a sentence.

import { capitalized } from "./words.js";

const ENDED = /[.!?…。！？][\u2069"'”’»」』]*$/;
const CHINESE_OR_JAPANESE = /[\u3040-\u30ff\u3400-\u9fff]/;

// With a capital, and with the full stop of its writing, where it has none.
export function asSentence(text) {
  if (!text || ENDED.test(text)) return capitalized(text);
  return capitalized(text) + (CHINESE_OR_JAPANESE.test(text) ? "。" : ".");
}
