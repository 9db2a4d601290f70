// When the own screen has been alone for a while, it shows a welcome; welcome.js makes it.

import { late } from "./late.js";

const AFTER = 60_000; // ms without a thing and without a touch

export class Attract {
  #open;
  #onChange;
  #timer = 0;
  #isIdle = false;
  #welcome = null;

  // open(item) is a visitor's wish. onChange(boolean) is called when the welcome is due, and when
  // somebody comes.
  constructor({ open, onChange }) {
    this.#open = open;
    this.#onChange = onChange;
  }

  // Tell whether nothing lies there and nobody asked for anything.
  follow(isIdle) {
    if (isIdle === this.#isIdle) return;
    this.#isIdle = isIdle;
    this.stay();
  }

  // Somebody is there.
  stay() {
    clearTimeout(this.#timer);
    if (this.#welcome) {
      this.#welcome.end();
      this.#welcome = null;
      this.#onChange(false);
    }
    this.#timer = this.#isIdle && setTimeout(() => this.#begin(), AFTER);
  }

  view() {
    return this.#welcome.view();
  }

  async #begin() {
    const run = this.#timer;
    let welcome = null;
    try {
      const { Welcome } = await late("welcome.js");
      const coming = new Welcome(this.#open);
      await coming.prepare();
      welcome = coming;
    } catch {
      // the device is away: once more after the same time
    }
    if (run !== this.#timer) return;
    if (!welcome) return this.stay();
    if (forgetLanguage()) return;
    this.#welcome = welcome;
    this.#onChange(true);
    this.#welcome?.begin();
  }
}

// The next visitor finds the page in its own language again.
function forgetLanguage() {
  const own = new URL(location.href);
  if (!own.searchParams.has("lang")) return false;
  own.searchParams.delete("lang");
  own.searchParams.delete("item");
  location.replace(own);
  return true;
}
