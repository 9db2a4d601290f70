// The card that teaches the device a thing: its views, its name.

import { byId, make, wait } from "./dom.js";
import { LivePicture } from "./picture.js";
import { lookAgain } from "./staff-again.js";
import { itemOffer } from "./staff-buttons.js";
import { priceNote } from "./staff-price.js";
import { blindWords, stepWords } from "./staff-step.js";
import { say } from "./words.js";

const LESSON = "api/staff/teaching";
const TURN = 300; // ms from one question for the state to the next
const TYPING = 250; // ms without a letter, after which the name is looked for
const OFFERS = 4; // items of the catalogue with such a name

export class TeachCard {
  #link;
  #picture;
  #run = 0; // of the lesson; another one, or none, ends the questions of the one before
  #drawn = 0; // states so far; one that was asked for before the newest is old
  #views = []; // ids of those that are shown
  #chosen = null; // the item of the catalogue whose views these are
  #gtin = "";
  #same = ""; // the sku of an item that has the name already
  #saving = false;
  #blind = false; // no picture comes from the camera
  #typing = 0;

  // onSaved() is called when a thing was taught.
  constructor(link, { onSaved }) {
    this.#link = link;
    this.onSaved = onSaved;
    this.#picture = new LivePicture(byId("picture"), {
      onLive: (live) => this.#see(live),
      onSize: (width, height) => byId("lesson").style.setProperty("--proportion", width / height),
      onThing: () => {},
    });
    byId("teach-begin").addEventListener("click", () => this.#begin());
    byId("teach-more").addEventListener("click", () => this.#takeMore());
    byId("teach-end").addEventListener("click", () => this.#end());
    byId("naming").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    byId("price").after(priceNote(byId("price")));
    byId("title").addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#offer(), TYPING);
      this.#askForName(null);
      this.#allowSaving();
    });
    byId("unchoose").addEventListener("click", () => this.#choose(null));
    byId("same-join").addEventListener("click", () => this.#save({ sku: this.#same, views: this.#views }));
    byId("same-another").addEventListener("click", () => this.#save({ ...this.#wish(), another: true }));
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
    this.#see(true); // until no picture has come for a while
    this.#picture.start();
    this.#follow(++this.#run);
  }

  // The style sheet hides an old picture behind the note.
  #see(live) {
    this.#blind = !live;
    byId("picture-note").hidden = live;
  }

  async #follow(run) {
    while (run === this.#run) {
      await wait(TURN);
      const drawn = this.#drawn;
      try {
        const state = await this.#link.ask("GET", LESSON);
        if (run !== this.#run) return;
        if (drawn !== this.#drawn) continue;
        byId("teach-lost").hidden = true;
        if (state.teaching) this.#draw(state);
        else if (!this.#saving) this.#closeEnded();
      } catch (error) {
        if (run !== this.#run) return;
        this.#complain(error, "teach-lost");
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
    byId("teach").scrollIntoView({ block: "nearest" }); // it begins above what was scrolled to
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
    for (const wrong of ["teach-wrong", "teach-lost"]) byId(wrong).hidden = true;
    this.#askForName(null);
    byId("lesson").hidden = true;
    byId("begin").hidden = false;
  }

  #draw(state) {
    this.#drawn += 1;
    byId("step").textContent = this.#blind ? blindWords() : stepWords(state);
    byId("step").dataset.stage = state.stage;
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
      // what moved below a finger would be touched in place of "Save"
      if (words !== byId("title").value.trim() || byId("teach-save").matches(":active")) return;
      ({ items } = found);
    }
    const note = () => make("span", "soft", say("in the catalogue"));
    byId("offers").replaceChildren(...items.map((item) => itemOffer(item, () => this.#choose(item), note())));
    this.#showAnswers();
  }

  #choose(item) {
    this.#chosen = item;
    byId("new-item").hidden = item !== null;
    byId("chosen").hidden = item === null;
    byId("chosen-title").textContent = item ? item.title : "";
    byId("offers").replaceChildren();
    this.#askForName(null);
    this.#allowSaving();
  }

  #allowSaving() {
    const named = this.#chosen !== null || byId("title").value.trim() !== "";
    byId("teach-save").disabled = this.#saving || !named || this.#views.length === 0;
  }

  // What is to be saved, as it stands in the fields.
  #wish() {
    const views = this.#views;
    if (this.#chosen) return { sku: this.#chosen.sku, views };
    const fields = ["title", "sku", "price", "location"].map((name) => [name, byId(name).value]);
    return { ...Object.fromEntries(fields), gtin: this.#gtin, views };
  }

  async #save(wish = this.#wish()) {
    if (this.#saving) return;
    this.#saving = true;
    this.#allowSaving();
    this.#askForName(null);
    byId("teach-wrong").hidden = true;
    byId("teach-save").textContent = say("Saving…");
    try {
      const { item } = await this.#link.ask("POST", "api/staff/taught", wish);
      this.#close();
      const tell = (words) => void (byId("teach-done").textContent = `${say("Saved: “{title}”.", { title: item.title })} ${words}`);
      tell(say("Show it once more, to see whether the device knows it."));
      byId("teach-done").hidden = false;
      byId("teach").scrollIntoView({ block: "nearest" }); // it begins above what was scrolled to
      byId("teach-done").focus();
      this.onSaved();
      const run = this.#run;
      lookAgain(this.#link, item.sku, () => run === this.#run, tell);
    } catch (error) {
      this.#complain(error);
      if (error.status === 409 && error.values.sku) this.#askForName(error.values.sku);
    } finally {
      this.#saving = false;
      byId("teach-save").textContent = say("Save");
      this.#allowSaving();
    }
  }

  // Ask whether the views are of the item that has the name already; null for none.
  #askForName(sku) {
    if (sku === null && !byId("same").hidden) byId("teach-wrong").hidden = true;
    this.#same = sku;
    byId("same").hidden = sku === null;
    byId("teach-save").hidden = sku !== null;
    this.#showAnswers();
  }

  // The answers to the question may end below the window; so they may when something came above them.
  #showAnswers() {
    if (!byId("same").hidden) byId("same").parentElement.scrollIntoView({ block: "nearest" });
  }

  #complain(error, inLesson = "teach-wrong") {
    if (!this.#link.entered) return;
    const place = byId(byId("lesson").hidden ? "teach-done" : inLesson);
    place.textContent = error.message;
    place.hidden = false;
  }
}
