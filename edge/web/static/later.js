// What the first answer does not need: the catalogue's name, timings, and on the device's own screen the
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
  #timings = null;
  #sighting = null;
  #state = null;

  constructor(visit, live) {
    this.#visit = visit;
    this.#live = live;
    loadStyles("visit.css");
    sometime("cards.js", ({ styled }) => styled());
    sometime("awake.js");
    sometime("catalogue.js", ({ CatalogueName }) => {
      this.#catalogue = new CatalogueName();
      this.hear(this.#state);
    });
    if (isKiosk) sometime("staff-way.js");
    else sometime("timings.js", ({ Timings }) => {
      this.#timings = new Timings();
      this.time(this.#sighting);
    });
    if (!isOwnScreen) return;
    sometime("attract.js", (script) => this.#attractWhenAlone(script));
    const { dim } = document.body.dataset;
    if (dim) sometime("dim.js", ({ Dimmer }) => (this.#dimmer = new Dimmer(dim)));
  }

  // Take a state of the device; null while it is away.
  hear(state) {
    this.#state = state;
    this.#catalogue?.show(state?.bundle);
  }

  // Take the sighting whose timings can be shown; null for none.
  time(sighting) {
    this.#sighting = sighting;
    this.#timings?.show(sighting);
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
