// The card of what was taught: items and photos of this device's own, which can be removed.

import { byId, make } from "./dom.js";
import { isolated, sureButton } from "./staff-buttons.js";
import { say } from "./words.js";

const TAUGHT = "api/staff/taught";

export class TaughtCard {
  #link;

  constructor(link) {
    this.#link = link;
  }

  show(entered) {
    byId("taught").hidden = !entered;
    if (entered) this.renew();
    else byId("taught-items").replaceChildren();
  }

  async renew() {
    await this.#draw("GET", TAUGHT);
  }

  async #draw(method, path) {
    let items;
    try {
      ({ items } = await this.#link.ask(method, path));
    } catch (error) {
      if (!this.#link.entered) return;
      byId("taught-none").textContent = error.message;
      byId("taught-none").hidden = false;
      return;
    }
    byId("taught-none").textContent = say("Nothing yet.");
    byId("taught-none").hidden = items.length > 0;
    byId("taught-export").hidden = items.length === 0;
    byId("taught-items").replaceChildren(...items.map((item) => this.#row(item)));
  }

  #row({ item, photos, is_new, rests }) {
    const pictures = photos.map((photo, place) => {
      const picture = make("img");
      picture.src = `api/staff/photos/${photo.id}`;
      picture.alt = photo.kind === "taught" ? say("View {number}", { number: place + 1 }) : say("Confirmed look {number}", { number: place + 1 });
      picture.loading = "lazy";
      return picture;
    });
    const act = () => this.#draw("DELETE", `${TAUGHT}/${encodeURIComponent(item.sku)}`);
    const name = say("Remove {title}", { title: item.title });
    const remove = sureButton(say("Remove"), say("Remove for good"), act, name);
    const words = make("p", "soft", kindWords(is_new, rests));
    return make(
      "li",
      "taught-item",
      make("div", "", make("h3", "", isolated(item.title)), words),
      make("div", "pictures", ...pictures),
      remove,
    );
  }
}

function kindWords(isNew, rests) {
  if (rests) return say("The catalogue has it now and is used instead.");
  return isNew ? say("An item of this device’s own.") : say("Further photos of an item of the catalogue.");
}
