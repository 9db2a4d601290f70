// What a visitor asks for by hand: items by name, an item, a search with a photo. The result stays
// in the panel until the visitor goes back, or until something new lies before the camera.

import { foundView, sentenceView, sightingView } from "./answer.js";
import { byId, isOwnScreen } from "./dom.js";
import { MOST_FOUND, fetchItem, findItems } from "./search.js";
import { say, spokenVerdict } from "./words.js";

const BACK_AFTER = isOwnScreen ? 30_000 : 600_000; // ms without input
const OFFERED = 8_000; // ms without input until something new takes over on the device's own screen

export class Visit {
  #panel;
  #askForName;
  #onShow;
  #onBack;
  #hasResult = false;
  #question = new AbortController();
  #waiting = null; // the question with a photo that has no answer yet
  #latest = null; // what the last sighting is about
  #before = null; // what it was about when the result was shown; null once that was taken away
  #offered = null;
  #timer = 0;
  #photo = null; // the visitor's, while its result is shown

  // askForName() is a visitor's wish. onShow(spoken, sighting) is called with a result, and with a
  // photo's sighting or null; onBack() when the camera's answer is wanted again.
  constructor({ panel, askForName, onShow, onBack }) {
    this.#panel = panel;
    this.#askForName = askForName;
    this.#onShow = onShow;
    this.#onBack = onBack;
    byId("back").addEventListener("click", () => this.#return());
    byId("offer").addEventListener("click", () => this.#return());
  }

  get hasResult() {
    return this.#hasResult;
  }

  // A new sighting offers itself at once, and takes over when nobody touches the screen.
  // `sighting` is null where nothing lies before the camera.
  hear(sighting) {
    this.#latest = sighting && subjectOf(sighting);
    if (!this.#hasResult) return;
    if (!sighting) this.#before = null;
    const isNew = this.#latest !== this.#before;
    const offered = isNew ? this.#latest : null;
    if (offered === this.#offered) return;
    this.#offered = offered;
    byId("offer").hidden = !isNew;
    if (isNew) byId("offer-words").textContent = offerWords(sighting);
    this.stay();
  }

  // Somebody is there: wait before the camera's answer is shown again.
  stay() {
    clearTimeout(this.#timer);
    if (!this.#hasResult || this.#waiting === this.#question.signal) return;
    const takesOver = this.#offered && isOwnScreen;
    this.#timer = setTimeout(() => this.back(), takesOver ? OFFERED : BACK_AFTER);
  }

  back() {
    if (!this.#hasResult) return;
    this.#question.abort();
    clearTimeout(this.#timer);
    this.#hasResult = false;
    this.#offered = null;
    this.#removePhoto();
    byId("result-bar").hidden = true;
    byId("offer").hidden = true;
    byId("words").value = "";
    this.#onBack();
  }

  async find(text) {
    const signal = this.#ask();
    if (!text) return this.back();
    this.#removePhoto();
    try {
      const items = await findItems(text, signal);
      if (signal.aborted) return;
      if (items.length === 1) {
        await this.open(items[0], say("Found for “{text}”", { text }));
      } else if (items.length) {
        const count = items.length;
        const words =
          count < MOST_FOUND
            ? say("{count} found for “{text}”", { count, text })
            : say("The first {count} for “{text}”", { count, text });
        this.#show(words, foundView(items, this.open));
      } else {
        const view = sentenceView("turn", say("Nothing by that name"), say("Try another word, or fewer."));
        this.#show(say("Nothing found for “{text}”", { text }), view);
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  open = async (item, words = say("Chosen by you")) => {
    const signal = this.#ask();
    let whole = item;
    try {
      whole = await fetchItem(item.sku);
    } catch (error) {
      if (!item.title && !signal.aborted) this.#fail(error);
      if (!item.title) return;
      // the fields that are already known are shown
    }
    try {
      const { itemView, styled } = await import("./item.js");
      await styled();
      if (!signal.aborted) this.#show(words, itemView(whole, this.open), whole.title);
    } catch {
      if (!signal.aborted) this.#fail(new Error(say("The device does not answer. Try again in a moment.")));
    }
  };

  async searchWith(file, box = "") {
    const signal = this.#ask();
    const shown = !box && this.#showPhoto(file, signal);
    this.#waiting = signal;
    this.#show(say("Your photo"), sentenceView("hold", say("Looking…")));
    try {
      const { searchPhoto } = await import("./photo-search.js").catch(() => {
        throw new Error(say("The device does not answer. Try again in a moment."));
      });
      const sighting = await searchPhoto(file, box);
      if (signal.aborted) return;
      this.#waiting = null;
      if (shown) shown.then(() => this.#photo?.found(sighting));
      const view =
        sighting.verdict === "nothing"
          ? sentenceView("turn", say("I see nothing in this photo"), say("Take it closer, on a plain ground."))
          : sightingView(sighting, this.open, this.#askForName);
      this.#show(say("Your photo"), view, spokenVerdict(sighting), sighting);
    } catch (error) {
      if (signal.aborted) return;
      this.#waiting = null;
      this.#fail(error);
    }
  }

  async #showPhoto(file, signal) {
    this.#removePhoto();
    const { PhotoBox, styled } = await import("./photo-box.js");
    await styled();
    if (signal.aborted) return;
    this.#photo = new PhotoBox(byId("frame"), file, (box) => this.searchWith(file, box));
  }

  #removePhoto() {
    this.#photo?.remove();
    this.#photo = null;
  }

  #ask() {
    this.#question.abort();
    this.#question = new AbortController();
    return this.#question.signal;
  }

  #show(words, view, spoken = words, sighting = null) {
    if (!this.#hasResult) this.#before = this.#latest;
    this.#hasResult = true;
    byId("result-words").textContent = words;
    byId("result-bar").hidden = false;
    this.#panel.show(view);
    this.#onShow(spoken, sighting);
    this.stay();
  }

  #fail(error) {
    this.#show(say("No result"), sentenceView("turn", say("That did not work"), error.message), error.message);
  }

  #return() {
    this.back();
    byId("answer").focus();
  }
}

// A thing that is only looked at once more is no new one.
function subjectOf({ verdict, matches }) {
  return [verdict, ...matches.map((match) => match.sku)].join(" ");
}

function offerWords(sighting) {
  return sighting.verdict === "match"
    ? say("Now before the camera: {title}", { title: sighting.matches[0].title })
    : say("Something else lies before the camera");
}
