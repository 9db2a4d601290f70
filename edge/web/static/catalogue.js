// Which catalogue the device has, for the status line: its title, and the day on which it was built.

import { byId, timeLimit } from "./dom.js";
import { LOCALE, say } from "./words.js";

const PATIENCE = 10_000; // ms
const AGAIN = 30_000; // ms until a title that did not come is asked for again

export class CatalogueName {
  #bundle; // null: there is none; undefined: nobody knows
  #asking = 0;

  show(bundle) {
    if (bundle === this.#bundle) return;
    this.#bundle = bundle;
    this.#ask(bundle);
  }

  async #ask(bundle) {
    clearTimeout(this.#asking);
    const title = bundle ? await titleNow().catch(() => null) : "";
    if (bundle !== this.#bundle) return;
    byId("status-catalogue").textContent = bundle === undefined ? "" : nameOf(bundle, title);
    if (title === null) this.#asking = setTimeout(() => this.#ask(bundle), AGAIN);
  }
}

async function titleNow() {
  const answer = await fetch("api/status", { signal: timeLimit(PATIENCE) });
  if (!answer.ok) throw new Error(`status ${answer.status}`); // what is wrong is JSON, too
  return (await answer.json()).catalogue?.title ?? "";
}

// A bundle's id begins with the day on which it was built.
function nameOf(bundle, title) {
  if (!bundle) return say("No catalogue");
  const digits = bundle.match(/^(\d{4})-?(\d\d)-?(\d\d)/);
  if (!digits) return title || say("Catalogue {id}", { id: bundle });
  const date = new Date(Number(digits[1]), Number(digits[2]) - 1, Number(digits[3]));
  const day = date.toLocaleDateString(LOCALE, { day: "numeric", month: "short", year: "numeric" });
  return title ? say("{title} of {day}", { title, day }) : say("Catalogue of {day}", { day });
}
