// What a visitor asks for by hand: items by name, an item, a search with a photo. The result stays
// in the panel until the visitor goes back, or until something new lies before the camera.

import { sentenceView, textButton } from "./answer.js";
import { byId, isOwnScreen, make } from "./dom.js";
import { late, loadStyles, sometime } from "./late.js";
import { say } from "./words.js";

const BACK_AFTER = isOwnScreen ? 30_000 : 600_000; // ms without input
const SLOW = 700; // ms until the page says that it looks
const OFFERED = 8_000; // ms without input until something new takes over on the device's own screen

export class Visit {
  #panel;
  #askForName;
  #canFind;
  #onShow;
  #onBack;
  #hasResult = false;
  #sku = ""; // of the item that is the result; empty for other results
  #question = new AbortController();
  #waiting = null; // the question with a photo that has no answer yet
  #latest = null; // the last sighting
  #offer = null; // of something new
  #visits = 0;
  #timer = 0;
  #photo = null; // the visitor's, while its result is shown

  // askForName() is a visitor's wish; canFind() tells whether there is a catalogue.
  // onShow(spoken, sighting) is called with a result, and with a photo's sighting or null; onBack()
  // when the camera's answer is wanted again.
  constructor({ panel, askForName, canFind, onShow, onBack }) {
    this.#panel = panel;
    this.#askForName = askForName;
    this.#canFind = canFind;
    this.#onShow = onShow;
    this.#onBack = onBack;
    byId("back").addEventListener("click", () => this.#return());
    byId("offer").addEventListener("click", () => this.#return());
  }

  get hasResult() {
    return this.#hasResult;
  }

  get sku() {
    return this.#sku;
  }

  // A new sighting offers itself at once, and takes over when nobody touches the screen.
  // `sighting` is null where nothing lies before the camera.
  hear(sighting) {
    this.#latest = sighting;
    if (this.#offer?.hear(sighting)) this.stay();
  }

  // Somebody is there: wait before the camera's answer is shown again.
  stay() {
    clearTimeout(this.#timer);
    if (!this.#hasResult || this.#waiting === this.#question.signal) return;
    const takesOver = !byId("offer").hidden && isOwnScreen;
    this.#timer = setTimeout(() => this.back(), takesOver ? OFFERED : BACK_AFTER);
  }

  back() {
    if (!this.#hasResult) return;
    this.#question.abort();
    clearTimeout(this.#timer);
    this.#hasResult = false;
    this.#sku = "";
    this.#offer = null;
    this.#removePhoto();
    byId("result-bar").hidden = true;
    byId("offer").hidden = true;
    byId("words").value = "";
    this.#onBack();
  }

  find(text) {
    const signal = this.#ask();
    if (!text) return this.back();
    this.#removePhoto();
    return this.#fulfil(signal, () => this.find(text), async () => {
      const { found } = await late("found.js");
      return found(text, this.open, signal);
    });
  }

  open = (item, words = say("Chosen by you")) =>
    this.#fulfil(this.#ask(), () => this.open(item, words), async () => {
      const { opened } = await late("item.js");
      return opened(item, this.open, words);
    });

  searchWith(file, box = "") {
    if (!this.#canFind()) return;
    const signal = this.#ask();
    if (!box) this.#removePhoto();
    this.#waiting = signal;
    this.#look(say("Your photo"));
    return this.#fulfil(signal, () => this.searchWith(file, box), async () => {
      const { seenOn } = await late("photo-search.js");
      return seenOn(file, box, signal, {
        open: this.open,
        name: this.#askForName,
        searchPart: (part) => this.searchWith(file, part),
        keep: (photo) => (this.#photo = photo),
      });
    });
  }

  // Show what `bring` finds, or that nothing came, and the way to try `again`. While the device has
  // no catalogue, the panel says so already.
  async #fulfil(signal, again, bring) {
    if (!this.#canFind()) return this.back();
    const styles = loadStyles("visit.css");
    let result;
    const isQuiet = () => signal.aborted || signal === this.#waiting;
    const slow = setTimeout(() => isQuiet() || this.#look(say("Looking…")), SLOW);
    try {
      result = await bring();
    } catch (error) {
      result = failure(error, again);
    }
    await styles;
    clearTimeout(slow);
    if (signal.aborted) return;
    this.#waiting = null;
    if (!this.#canFind()) return this.back();
    this.#show(result);
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

  #look(words) {
    this.#show({ words, view: sentenceView("hold", say("Looking…")) });
  }

  #show({ words, view, spoken = words, sighting = null, sku = "" }) {
    if (!this.#hasResult) this.#heed(this.#latest);
    this.#hasResult = true;
    byId("result-words").textContent = words;
    byId("result-bar").hidden = false;
    this.#panel.show(view);
    this.#sku = sku;
    this.#onShow(spoken, sighting);
    this.stay();
  }

  // Let what is newer than a sighting offer itself, as soon as the script for that is there.
  #heed(sighting) {
    const visit = ++this.#visits;
    sometime("offer.js", ({ Offer }) => {
      if (visit !== this.#visits || !this.#hasResult) return;
      this.#offer = new Offer(sighting);
      this.hear(this.#latest);
    });
  }

  #return() {
    this.back();
    byId("answer").focus();
  }
}

// What is shown in place of a result: why there is none. A device that is away can be asked again.
function failure({ isTold, message }, again) {
  const why = isTold ? message : say("The device does not answer.");
  const view = sentenceView(isTold ? "ask" : "link", say("That did not work"), why);
  if (!isTold) view.append(make("p", "advice", textButton(say("Try again"), again)));
  return { words: say("No result"), view, spoken: why };
}
