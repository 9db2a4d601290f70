// On the device's own screen: where visitors' phones can open this page, in words and as a QR code.

import { byId, isOwnScreen, timeLimit } from "./dom.js";

const EVERY = 10_000; // ms; the network may come later, or change
const PATIENCE = 30_000;

export class OwnAddress {
  #idle = false;
  #address = "";

  // Elsewhere than on the device's own screen nothing is asked and shown: the visitor is there.
  start() {
    if (isOwnScreen) this.#follow();
  }

  // It is shown while the page is idle.
  show(idle) {
    this.#idle = idle;
    byId("address").hidden = !idle || !this.#address;
  }

  async #follow() {
    try {
      const answer = await fetch("api/address", { signal: timeLimit(PATIENCE) });
      if (answer.ok) {
        const { addresses, show } = await answer.json();
        this.#take(show ? addresses : []);
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
    this.show(this.#idle);
  }
}
