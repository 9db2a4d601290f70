// The card that says how the device is.

import { byId, make } from "./dom.js";
import { capitalized } from "./words.js";

const RENEWED = 5_000; // ms

export class DeviceCard {
  #link;
  #timer = 0;

  constructor(link) {
    this.#link = link;
  }

  show(entered) {
    byId("device").hidden = !entered;
    clearInterval(this.#timer);
    if (!entered) return;
    this.#renew();
    this.#timer = setInterval(() => document.hidden || this.#renew(), RENEWED);
  }

  async #renew() {
    let rows;
    try {
      const { findings } = await this.#link.ask("GET", "api/staff/status");
      rows = findings.map(row);
    } catch (error) {
      rows = [row({ subject: "device", state: "wrong", message: error.message, remedy: "" })];
    }
    byId("findings").replaceChildren(...rows);
  }
}

const STATES = { ok: "", note: "note", wrong: "wrong-state" };
const SPOKEN = { ok: "", note: "Look at this: ", wrong: "Not well: " };

function row({ subject, state, message, remedy }) {
  const words = make(
    "div",
    "",
    make("h3", "", SPOKEN[state] + capitalized(subject)),
    make("p", "soft", `${capitalized(message)}.`.replace(/\.\.$/, ".")),
    remedy ? make("p", "remedy", `${capitalized(remedy)}.`) : null,
  );
  return make("li", `finding ${STATES[state]}`, words);
}
