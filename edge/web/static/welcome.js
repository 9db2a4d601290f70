// What the own screen shows while nobody is there: a welcome, and items by turns.

import { refit } from "./answer.js";
import { make, timeLimit } from "./dom.js";
import { late, loadStyles } from "./late.js";
import { localItem, say } from "./words.js";

const TURN = 8_000; // ms
const AT_ONCE = 3;
const PATIENCE = 30_000; // ms

export class Welcome {
  #open;
  #turn = 0;
  #items = [];
  #first = 0;
  #list = null;
  #cards;

  // open(item) is a visitor's wish.
  constructor(open) {
    this.#open = open;
  }

  // Fetch what it shows; where there are no items, the welcome stands alone.
  async prepare() {
    const [{ cards, styled }, { ask }] = await Promise.all([late("cards.js"), late("search.js")]);
    this.#cards = cards;
    const styles = [styled(), loadStyles("attract.css")];
    const asked = ask("api/showcase", { signal: timeLimit(PATIENCE) }).catch(() => ({ items: [] }));
    const [{ items }] = await Promise.all([asked, ...styles]);
    this.#items = items.map(localItem);
  }

  begin() {
    this.#turn = setInterval(() => this.#showItems(), TURN);
  }

  end() {
    clearInterval(this.#turn);
  }

  view() {
    this.#list = make("div", "showcase");
    this.#showItems();
    const { welcome } = document.body.dataset;
    const invitation = say("Hold something in front of the camera");
    const advice = welcome ? invitation : say("I will tell you what it is.");
    const heading = make("h2", "words", welcome || invitation);
    heading.dir = "auto";
    return make("article", "sentence attract", heading, make("p", "advice", advice), this.#list);
  }

  #showItems() {
    const shown = Array.from(
      { length: Math.min(AT_ONCE, this.#items.length) },
      (_, place) => this.#items[(this.#first + place) % this.#items.length],
    );
    this.#first += AT_ONCE;
    if (!this.#list) return;
    this.#list.replaceChildren(this.#cards(shown, this.#open));
    refit(this.#list);
  }
}
