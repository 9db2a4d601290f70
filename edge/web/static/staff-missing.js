// The card of what was shown and could not be named: the shop's list of what people ask for.

import { byId, make } from "./dom.js";
import { clock, say } from "./words.js";

export class MissingCard {
  #link;
  #asked = 0; // questions so far; the answer to an older one is passed over

  constructor(link) {
    this.#link = link;
    byId("missing-renew").addEventListener("click", () => this.#renew());
  }

  show(entered) {
    byId("missing").hidden = !entered;
    if (entered) this.#renew();
    else byId("missing-groups").replaceChildren();
  }

  async #renew() {
    let rows = [];
    let none = say("Nothing yet. Things are grouped by their looks where pictures are kept; see the settings.");
    const asked = ++this.#asked;
    try {
      const { groups } = await this.#link.ask("GET", "api/staff/missing");
      rows = groups.map(row);
    } catch (error) {
      none = error.message;
    }
    if (!this.#link.entered || asked !== this.#asked) return;
    byId("missing-none").textContent = none;
    byId("missing-none").hidden = rows.length > 0;
    byId("missing-groups").replaceChildren(...rows);
  }
}

function row({ count, wanted, gtin, last, looks }) {
  const pictures = looks.map((id) => lookPicture(id));
  const times = count === 1 ? say("Once") : say("{count} times", { count });
  const words = [say("{times}, last {time}.", { times, time: clock(Date.parse(last)) })];
  if (wanted) words.push(wanted === 1 ? say("A visitor asked for it.") : say("{count} visitors asked for it.", { count: wanted }));
  const title = gtin ? say("Product number {gtin}", { gtin }) : say("Things that look alike");
  return make(
    "li",
    "taught-item",
    make("div", "", make("h3", "", count === 1 && !gtin ? say("A thing") : title), make("p", "soft phrases", ...words.map((each) => make("span", "", each)))),
    make("div", "pictures", ...pictures),
  );
}

export function lookPicture(id) {
  const picture = make("img");
  picture.src = `api/staff/history/${encodeURIComponent(id)}/look.jpg`;
  picture.alt = say("What the camera saw");
  picture.loading = "lazy";
  return picture;
}
