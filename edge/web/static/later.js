// What the first answer does not need: the catalogue's name, and on the device's own screen the
// welcome when nobody is there, and the night. Loaded some seconds after the page.

import { isKiosk, isOwnScreen } from "./dom.js";
import { loadStyles, sometime } from "./late.js";

export class Later {
  #visit;
  #live;
  #attract = null;
  #isIdle = false;
  #dimmer = null;
  #catalogue = null;
  #bundle;

  constructor(visit, live) {
    this.#visit = visit;
    this.#live = live;
    loadStyles("visit.css");
    sometime("cards.js", ({ styled }) => styled());
    sometime("awake.js");
    sometime("catalogue.js", ({ CatalogueName }) => {
      this.#catalogue = new CatalogueName();
      this.name(this.#bundle);
    });
    if (isKiosk) sometime("staff-way.js");
    if (!isOwnScreen) return;
    sometime("attract.js", (script) => this.#attractWhenAlone(script));
    const { dim } = document.body.dataset;
    if (dim) sometime("dim.js", ({ Dimmer }) => (this.#dimmer = new Dimmer(dim)));
  }

  // Name the catalogue of a bundle; null where there is none, undefined where nobody knows.
  name(bundle) {
    this.#bundle = bundle;
    this.#catalogue?.show(bundle);
  }

  // Tell whether nothing lies there and nobody asked for anything.
  follow(isIdle) {
    this.#isIdle = isIdle;
    this.#attract?.follow(isIdle);
  }

  // Somebody is there.
  stay() {
    this.#attract?.stay();
  }

  // Something lies before the camera.
  wake() {
    this.#dimmer?.wake();
  }

  #attractWhenAlone({ Attract }) {
    this.#attract = new Attract({
      open: this.#visit.open,
      onChange: (isDue) => {
        this.#live.attract(isDue ? () => this.#attract.view() : null);
        if (!this.#visit.hasResult) this.#live.show();
      },
    });
    this.#attract.follow(this.#isIdle);
  }
}
