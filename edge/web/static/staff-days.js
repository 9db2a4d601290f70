// Days to choose from, in the page's language: a browser's own field for dates speaks that of the browser.

import { make } from "./dom.js";
import { LOCALE, say } from "./words.js";

const KEPT = 366; // days of the history, at most
const DAY = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric" });
const RECENT = [say("Today"), say("Yesterday")];

// Let a select offer each day of the history, the newest first, and what stands for none.
export function drawDays(select) {
  const days = Array.from({ length: KEPT }, (_, ago) => {
    const date = new Date();
    date.setHours(12, 0, 0, 0); // which every day has, also one of 23 hours
    date.setDate(date.getDate() - ago);
    return option(written(date), RECENT[ago] ?? DAY.format(date));
  });
  select.replaceChildren(option("", say("Any day")), ...days);
}

// The begin of a day, or of one some days later, where the person is: times are shown in the browser's time zone.
export function midnight(day, later) {
  const date = new Date(`${day}T00:00`);
  date.setDate(date.getDate() + later); // one of 23 or 25 hours, too
  return date;
}

function option(value, words) {
  const made = make("option", "", words);
  made.value = value;
  return made;
}

// A day as 2026-11-30.
function written(date) {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}
