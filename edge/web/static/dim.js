// Dims the device's own screen at night. A touch, or a thing before the camera, wakes it for a while.

import { make } from "./dom.js";

const CHECKED = 20_000; // ms
const AWAKE = 120_000; // ms

export class Dimmer {
  #veil = make("div", "veil");
  #awakeUntil = 0;

  // `hours` are as "22:00-07:00", by this screen's clock.
  constructor(hours) {
    const [from, to] = hours.split("-").map(minutes);
    this.#veil.hidden = true;
    this.#veil.style.cssText = "position: fixed; inset: 0; z-index: 9; background: #000c; pointer-events: none";
    document.body.append(this.#veil);
    const check = () => {
      const now = new Date();
      const isNight = within(60 * now.getHours() + now.getMinutes(), from, to);
      this.#veil.hidden = !isNight || Date.now() < this.#awakeUntil;
    };
    for (const sign of ["pointerdown", "keydown"]) document.addEventListener(sign, () => this.wake());
    setInterval(check, CHECKED);
    check();
  }

  wake() {
    this.#awakeUntil = Date.now() + AWAKE;
    this.#veil.hidden = true;
  }
}

function minutes(text) {
  const [hour, minute] = text.split(":").map(Number);
  return 60 * hour + minute;
}

// Whether a minute of the day lies between two others; the night may go over midnight.
function within(now, from, to) {
  return from <= to ? from <= now && now < to : now >= from || now < to;
}
