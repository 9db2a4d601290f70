// The wait after wrong PINs, counted down below the field.

import { byId } from "./dom.js";
import { say } from "./words.js";

let counting = 0;

// Say why the way in is closed, and how many seconds are left until the next PIN is looked at; null for nothing. The
// seconds stand apart from what a screen reader says at once.
export function refuse(error) {
  clearInterval(counting);
  byId("enter-wrong").textContent = error?.message ?? "";
  byId("enter-wrong").hidden = error === null;
  const line = byId("enter-wait");
  line.hidden = !error?.wait;
  if (line.hidden) return;
  const end = Date.now() + error.wait * 1000;
  const tell = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    line.textContent = say("Seconds left: {count}", { count: left });
    if (left <= 0) refuse(null);
  };
  counting = setInterval(tell, 1000);
  tell();
}
