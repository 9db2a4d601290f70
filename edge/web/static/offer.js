// Something new before the camera offers itself while a result is shown. Loaded when there is one.

import { byId, text } from "./dom.js";
import { say, sayParts, unbroken } from "./words.js";

export class Offer {
  #before; // what the last sighting was about when the result came; null once that was taken away
  #offered = null;

  // `sighting` is what lies there already; null for nothing.
  constructor(sighting) {
    this.#before = subjectOf(sighting);
  }

  // Offer a sighting that is about something new. Tells whether another one is offered than before.
  hear(sighting) {
    const latest = subjectOf(sighting);
    if (!sighting) this.#before = null;
    const isNew = latest !== this.#before;
    const offered = isNew ? latest : null;
    if (offered === this.#offered) return false;
    this.#offered = offered;
    byId("offer").hidden = !isNew;
    if (isNew) byId("offer-words").replaceChildren(...offerWords(sighting));
    return true;
  }
}

// A thing that is only looked at once more is no new one.
function subjectOf(sighting) {
  return sighting && [sighting.verdict, ...sighting.matches.map((match) => match.sku)].join(" ");
}

function offerWords(sighting) {
  if (sighting.verdict !== "match") return [say("Something else lies before the camera")];
  const title = text("span", "offer-name", unbroken(sighting.matches[0].title));
  return sayParts("Now before the camera: {title}", { title });
}
