// The card of what was shown and could not be named: the shop's list of what people ask for.

import { byId, make } from "./dom.js";
import { clock } from "./words.js";

export class MissingCard {
  #link;

  constructor(link) {
    this.#link = link;
    byId("missing-renew").addEventListener("click", () => this.#renew());
  }

  show(entered) {
    byId("missing").hidden = !entered;
    if (entered) this.#renew();
  }

  async #renew() {
    let rows = [];
    byId("missing-none").textContent = "Nothing yet. What was shown is grouped by its looks where [edge] keep_looks is set.";
    try {
      const { groups } = await this.#link.ask("GET", "api/staff/missing");
      rows = groups.map(row);
    } catch (error) {
      byId("missing-none").textContent = error.message;
    }
    byId("missing-none").hidden = rows.length > 0;
    byId("missing-groups").replaceChildren(...rows);
  }
}

function row({ count, wanted, gtin, last, looks }) {
  const pictures = looks.map((id) => lookPicture(id));
  const times = count === 1 ? "Once" : `${count} times`;
  const words = [`${times}, last ${clock(Date.parse(last))}.`];
  if (wanted) words.push(wanted === 1 ? "A visitor asked for it." : `${wanted} visitors asked for it.`);
  const title = gtin ? `Product number ${gtin}` : "Things that look alike";
  return make(
    "li",
    "taught-item",
    make("div", "", make("h3", "", count === 1 && !gtin ? "A thing" : title), make("p", "soft", words.join(" "))),
    make("div", "pictures", ...pictures),
  );
}

export function lookPicture(id) {
  const picture = make("img");
  picture.src = `api/staff/history/${encodeURIComponent(id)}/look.jpg`;
  picture.alt = "What the camera saw";
  picture.loading = "lazy";
  return picture;
}
