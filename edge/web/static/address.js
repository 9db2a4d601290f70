// Where phones can open the page, in words and as a QR code: on the device's own screen, and for staff.

import { byId, isOwnScreen, timeLimit } from "./dom.js";

const EVERY = 10_000; // ms; the network may come later, or change
const PATIENCE = 30_000;

export class OwnAddress {
  #always;
  #wanted = false;
  #address = "";

  // A visitor's phone is there already.
  start(always) {
    this.#always = always;
    if (isOwnScreen || always) this.#follow();
  }

  show(wanted) {
    this.#wanted = wanted;
    byId("address").hidden = !wanted || !this.#address;
  }

  async #follow() {
    try {
      const answer = await fetch("api/address", { signal: timeLimit(PATIENCE) });
      if (answer.ok) {
        const { addresses, show } = await answer.json();
        this.#take(show || this.#always ? addresses : []);
      }
    } catch {
      // the device is away; its address may be another one afterwards
    }
    setTimeout(() => this.#follow(), EVERY);
  }

  #take(addresses) {
    const all = addresses.join(" ");
    if (all !== this.#address) {
      this.#address = all;
      byId("address-words").textContent = addresses[0]?.replace(/^https?:\/\/|\/$/g, "") ?? "";
      if (all) byId("address-code").src = `address.svg?${encodeURIComponent(all)}`;
    }
    this.show(this.#wanted);
  }
}
