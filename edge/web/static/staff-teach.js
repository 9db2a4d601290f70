// The card that teaches the device a thing: its views, its name.

import { byId, make, wait } from "./dom.js";
import { LivePicture } from "./picture.js";
import { lookAgain } from "./staff-again.js";
import { itemOffer } from "./staff-buttons.js";
import { say } from "./words.js";

const LESSON = "api/staff/teaching";
const TURN = 300; // ms from one question for the state to the next
const TYPING = 250; // ms without a letter, after which the name is looked for
const OFFERS = 4; // items of the catalogue with such a name

export class TeachCard {
  #link;
  #picture;
  #run = 0; // of the lesson; another one, or none, ends the questions of the one before
  #views = []; // ids of those that are shown
  #chosen = null; // the item of the catalogue whose views these are
  #gtin = "";
  #saving = false;
  #typing = 0;

  // onSaved() is called when a thing was taught.
  constructor(link, { onSaved }) {
    this.#link = link;
    this.onSaved = onSaved;
    this.#picture = new LivePicture(byId("picture"), {
      onLive: (live) => (byId("picture-note").hidden = live), // the style sheet hides an old picture then
      onSize: () => {},
      onThing: () => {},
    });
    byId("teach-begin").addEventListener("click", () => this.#begin());
    byId("teach-more").addEventListener("click", () => this.#takeMore());
    byId("teach-end").addEventListener("click", () => this.#end());
    byId("naming").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    byId("title").addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#offer(), TYPING);
      this.#allowSaving();
    });
    byId("unchoose").addEventListener("click", () => this.#choose(null));
  }

  show(entered) {
    byId("teach").hidden = !entered;
    if (entered) return;
    this.#close();
    byId("naming").reset();
    this.#choose(null);
    for (const words of ["teach-done", "step"]) byId(words).textContent = "";
    byId("teach-done").hidden = true;
  }

  async #begin() {
    byId("teach-done").hidden = true;
    try {
      this.#draw(await this.#link.ask("POST", LESSON));
    } catch (error) {
      this.#complain(error);
      return;
    }
    byId("naming").reset();
    byId("more-fields").open = false;
    this.#choose(null);
    byId("begin").hidden = true;
    byId("lesson").hidden = false;
    byId("teach").scrollIntoView(); // a small screen holds all of it then
    byId("step").focus();
    byId("picture-note").hidden = true; // until none has come for a while
    this.#picture.start();
    this.#follow(++this.#run);
  }

  async #follow(run) {
    let lost = false; // whether the last question was, and a message says so
    while (run === this.#run) {
      await wait(TURN);
      try {
        const state = await this.#link.ask("GET", LESSON);
        if (run !== this.#run) return;
        if (lost) byId("teach-wrong").hidden = true;
        lost = false;
        if (state.teaching) this.#draw(state);
        else if (!this.#saving) this.#closeEnded();
      } catch (error) {
        if (run !== this.#run) return;
        lost = true;
        this.#complain(error);
      }
    }
  }

  async #takeMore() {
    try {
      this.#draw(await this.#link.ask("POST", `${LESSON}/more`));
      byId("step").focus();
    } catch (error) {
      this.#complain(error);
    }
  }

  async #end() {
    this.#close();
    byId("teach-begin").focus();
    await this.#link.ask("DELETE", LESSON).catch(() => {});
  }

  #closeEnded() {
    this.#close();
    this.#complain(new Error(say("The lesson has ended. Perhaps somebody saved or cancelled it on another screen.")));
  }

  #close() {
    this.#run += 1;
    this.#picture.stop();
    const picture = byId("picture");
    picture.width = picture.width; // which empties it
    this.#views = [];
    byId("views").replaceChildren();
    byId("teach-wrong").hidden = true;
    byId("lesson").hidden = true;
    byId("begin").hidden = false;
  }

  #draw(state) {
    byId("step").textContent = stepWords(state);
    const views = state.views.map(({ id }) => id);
    byId("teach-more").hidden = state.takes_more || views.length > state.wanted;
    if (views.join() !== this.#views.join()) {
      this.#views = views;
      byId("views").replaceChildren(...views.map((id, place) => this.#viewRow(id, place)));
    }
    this.#gtin = state.gtin;
    const offer = state.code ? say("Its code says {code}", { code: state.code }) : "";
    if (byId("sku").placeholder !== offer) {
      byId("sku").placeholder = offer;
      byId("sku-offer").replaceChildren(...(state.code ? [make("option", "", state.code)] : []));
    }
    this.#allowSaving();
  }

  #viewRow(id, place) {
    const picture = make("img");
    picture.src = `${LESSON}/views/${id}`;
    picture.alt = say("View {number}", { number: place + 1 });
    const drop = make("button", "drop", "✕");
    drop.type = "button";
    drop.setAttribute("aria-label", say("Drop view {number}", { number: place + 1 }));
    drop.addEventListener("click", async () => {
      const state = await this.#link.ask("DELETE", `${LESSON}/views/${id}`).catch(() => null);
      if (state) this.#draw(state);
    });
    return make("li", "", picture, drop);
  }

  async #offer() {
    const words = byId("title").value.trim();
    let items = [];
    if (words.length > 1) {
      const query = new URLSearchParams({ q: words, limit: OFFERS });
      const found = await this.#link.ask("GET", `api/items?${query}`).catch(() => ({ items: [] }));
      if (words !== byId("title").value.trim()) return;
      ({ items } = found);
    }
    const note = () => make("span", "soft", say("in the catalogue"));
    byId("offers").replaceChildren(...items.map((item) => itemOffer(item, () => this.#choose(item), note())));
  }

  #choose(item) {
    this.#chosen = item;
    byId("new-item").hidden = item !== null;
    byId("chosen").hidden = item === null;
    byId("chosen-title").textContent = item ? item.title : "";
    byId("offers").replaceChildren();
    this.#allowSaving();
  }

  #allowSaving() {
    const named = this.#chosen !== null || byId("title").value.trim() !== "";
    byId("teach-save").disabled = this.#saving || !named || this.#views.length === 0;
  }

  async #save() {
    if (this.#saving) return;
    this.#saving = true;
    this.#allowSaving();
    const views = this.#views;
    const wish = this.#chosen
      ? { sku: this.#chosen.sku, views }
      : {
          title: byId("title").value,
          sku: byId("sku").value,
          price: byId("price").value,
          location: byId("location").value,
          gtin: this.#gtin,
          views,
        };
    try {
      const { item } = await this.#link.ask("POST", "api/staff/taught", wish);
      this.#close();
      const saved = say("Saved. The device knows “{title}” now: show it once more to see.", { title: item.title });
      byId("teach-done").textContent = saved;
      byId("teach-done").hidden = false;
      byId("teach-done").focus(); // it lies above what was scrolled to
      this.onSaved();
      const run = this.#run;
      lookAgain(this.#link, item.sku, () => run === this.#run, (words) => void (byId("teach-done").textContent = `${saved} ${words}`));
    } catch (error) {
      this.#complain(error);
    } finally {
      this.#saving = false;
      this.#allowSaving();
    }
  }

  #complain(error) {
    if (!this.#link.entered) return;
    const place = byId("lesson").hidden ? byId("teach-done") : byId("teach-wrong");
    place.textContent = error.message;
    place.hidden = false;
  }
}

function stepWords({ stage, views, wanted, seen_already, takes_more }) {
  const taken = Math.min(views.length, wanted);
  if (seen_already && stage !== "done") {
    return say("{taken} of {wanted}: this side is taken; turn the thing further.", { taken, wanted });
  }
  switch (stage) {
    case "show":
      return views.length
        ? say("{taken} of {wanted}: show the thing again.", { taken, wanted })
        : say("{taken} of {wanted}: put the thing before the camera.", { taken, wanted });
    case "still":
      return say("{taken} of {wanted}: hold it still.", { taken, wanted });
    case "turn":
      return say("{taken} of {wanted}: turn the thing to another side.", { taken, wanted });
    default:
      return takes_more
        ? say("{count} views: enough.", { count: views.length })
        : say("Enough views; further sides help.");
  }
}
