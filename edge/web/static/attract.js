// What the own screen shows while nobody is there: a welcome, and items by turns.

import { cards, refit } from "./answer.js";
import { make } from "./dom.js";
import { loadStyles } from "./late-styles.js";
import { fetchShowcase } from "./search.js";
import { say } from "./words.js";

const AFTER = 60_000; // ms without a thing and without a touch
const TURN = 8_000;
const AT_ONCE = 3;

export class Attract {
  #open;
  #onChange;
  #timer = 0;
  #turn = 0;
  #isIdle = false;
  #items = [];
  #first = 0;
  #list = null;

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
    clearInterval(this.#turn);
    if (this.#list) {
      this.#list = null;
      this.#onChange(false);
    }
    this.#timer = this.#isIdle && setTimeout(() => this.#begin(), AFTER);
  }

  view() {
    this.#list = make("div", "showcase");
    this.#showItems();
    const words = document.body.dataset.welcome || say("Hold something in front of the camera");
    const advice = document.body.dataset.welcome ? say("Hold something in front of the camera") : say("I will tell you what it is.");
    const heading = make("h2", "words", words);
    heading.dir = "auto";
    return make("article", "sentence attract", heading, make("p", "advice", advice), this.#list);
  }

  async #begin() {
    const run = this.#timer;
    try {
      const styles = ["cards.css", "attract.css"].map(loadStyles);
      [this.#items] = await Promise.all([fetchShowcase(), ...styles]);
    } catch {
      this.#items = []; // the welcome stands alone
    }
    if (run !== this.#timer) return;
    this.#onChange(true);
    this.#turn = setInterval(() => this.#showItems(), TURN);
  }

  #showItems() {
    const shown = Array.from(
      { length: Math.min(AT_ONCE, this.#items.length) },
      (_, place) => this.#items[(this.#first + place) % this.#items.length],
    );
    this.#first += AT_ONCE;
    if (!this.#list) return;
    this.#list.replaceChildren(cards(shown, this.#open));
    refit(this.#list);
  }
}
