// The code of a catalogue's owner: read by the chosen camera, or in a photo of it.

import { byId } from "./dom.js";
import { say } from "./words.js";

const CODE = "api/staff/setup/code";
const PATIENCE = 60_000; // ms while the code may be held before the camera
const PAUSE = 300; // ms between two looks

export class OwnerCode {
  #settings = {};
  #turn = 0; // of what is read; a newer one ends those before
  #link;
  #picture;
  #onRead;

  // picture() is the address of a picture of the chosen camera, and onRead(settings) is called with what was read.
  constructor(link, picture, onRead) {
    this.#link = link;
    this.#picture = picture;
    this.#onRead = onRead;
    byId("read-code").addEventListener("click", () => this.#work((turn) => this.#look(turn)));
    byId("code-photo").addEventListener("change", ({ target }) => {
      const [photo] = target.files;
      target.value = ""; // the same one may be chosen again
      if (photo) this.#work(() => this.#read(photo));
    });
  }

  // The settings that it holds, by their names; none where none was read.
  get settings() {
    return this.#settings;
  }

  remove() {
    this.#turn += 1;
    this.#settings = {};
    byId("code-said").textContent = "";
  }

  async #work(read) {
    this.remove();
    const turn = this.#turn;
    let words;
    try {
      const found = await read(turn);
      if (turn !== this.#turn) return;
      words = found ? say("The code was read. With it no root.json is needed.") : say("No code was seen. Show it larger, and in focus.");
      if (found) this.#onRead(this.#settings = found);
    } catch (error) {
      words = error.message;
    }
    if (turn === this.#turn) byId("code-said").textContent = words;
  }

  // What is no such code, and a moment without a picture, end nothing: the code may come yet.
  async #look(turn) {
    let last = null;
    byId("code-said").textContent = say("Hold the owner’s code before the camera.");
    for (const end = Date.now() + PATIENCE; Date.now() < end && turn === this.#turn && this.#isShown(); ) {
      try {
        const answer = await fetch(this.#picture(), { cache: "no-store" });
        if (!answer.ok) throw new Error(say("No picture comes from the camera."));
        const found = await this.#read(await answer.blob());
        if (found) return found;
      } catch (error) {
        if (!this.#link.entered) throw error;
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    if (last) throw last;
    return null;
  }

  #isShown() {
    return byId("read-code").getClientRects().length > 0;
  }

  async #read(photo) {
    const { settings } = await this.#link.ask("POST", CODE, photo);
    return settings["sync.source"] ? settings : null;
  }
}
