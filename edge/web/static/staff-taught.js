// The card of what was taught: items and photos of this device's own, which can be corrected and removed.

import { byId, make, text } from "./dom.js";
import { button, nameHeading, sureButton } from "./staff-buttons.js";
import { changeForm } from "./staff-change.js";
import { saidLine } from "./staff-judging.js";
import { Turns } from "./staff-turns.js";
import { say } from "./words.js";

const TAUGHT = "api/staff/taught";

export class TaughtCard {
  #link;
  #turns = new Turns();
  #changed = null; // the item that was changed last, as it was before, and the number that it has now

  constructor(link) {
    this.#link = link;
  }

  show(entered) {
    byId("taught").hidden = !entered;
    this.#changed = null;
    this.#turns = new Turns(); // what is still asked is of a session before
    byId("taught-items").replaceChildren();
    if (entered) this.renew();
  }

  #ask(...question) {
    return this.#turns.inTurn(() => this.#link.ask(...question));
  }

  async renew() {
    try {
      this.#draw(await this.#ask("GET", TAUGHT));
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error) {
    if (!this.#link.entered) return;
    byId("taught-none").textContent = error.message;
    byId("taught-none").hidden = false;
  }

  #draw({ items }) {
    byId("taught-none").textContent = say("Nothing yet.");
    byId("taught-none").hidden = items.length > 0;
    byId("taught-export").hidden = items.length === 0;
    const open = new Map([...byId("taught-items").children].filter((row) => row.querySelector("form")).map((row) => [row.dataset.sku, row]));
    byId("taught-items").replaceChildren(...items.map((item) => open.get(item.item.sku) ?? this.#row(item)));
  }

  #row({ item, photos, is_new, rests }) {
    const pictures = photos.map((photo, place) => {
      const picture = make("img");
      picture.src = `api/staff/photos/${photo.id}`;
      picture.alt = photo.kind === "taught" ? say("View {number}", { number: place + 1 }) : say("Confirmed look {number}", { number: place + 1 });
      picture.loading = "lazy";
      return picture;
    });
    const said = saidLine(this.#changed?.sku === item.sku ? say("Changed.") : "");
    const details = [item.price, item.location].filter(Boolean).join(" · ");
    const words = make(
      "div",
      "",
      nameHeading(item.title),
      details ? text("p", "", details) : null,
      make("p", "soft", kindWords(is_new, rests)),
      said,
    );
    const row = make("li", "taught-item", words, make("div", "pictures", ...pictures), make("div", "choices"));
    row.dataset.sku = item.sku;
    this.#offer(row, item, is_new && !rests);
    return row;
  }

  #offer(row, item, canChange) {
    const before = this.#changed?.sku === item.sku ? this.#changed.before : null;
    const change = button(say("Change"), () => this.#change(row, item));
    change.setAttribute("aria-label", say("Change {title}", { title: item.title }));
    const remove = sureButton(say("Remove"), say("Remove for good"), () => this.#remove(item), say("Remove {title}", { title: item.title }));
    row.querySelector(".choices").replaceChildren(
      ...(before ? [button(say("Undo the change"), () => this.#undo(row, item, before))] : []),
      ...(canChange ? [change] : []),
      remove,
    );
  }

  #change(row, item) {
    row.querySelector(".said").textContent = "";
    const form = changeForm(item, {
      onSave: (fields) => this.#save(row, item, fields),
      onCancel: () => {
        form.remove();
        this.#offer(row, item, true);
        row.querySelector(".choices .button:nth-last-child(2)").focus();
      },
    });
    row.querySelector(".choices").replaceChildren();
    row.append(form);
    form.querySelector("input").focus();
  }

  async #save(row, item, fields) {
    const found = await this.#ask("PUT", place(item), fields);
    this.#changed = { before: item, sku: fields.sku.trim() || item.sku };
    row.remove();
    this.#draw(found);
    this.#focus(this.#changed.sku);
  }

  async #undo(row, item, { title, sku, price, location }) {
    try {
      const now = await this.#ask("GET", TAUGHT);
      this.#changed = null;
      if (isChanged(item, now.items)) {
        this.#draw(now);
        const words = say("Somebody else changed “{title}” since. Nothing was undone.", { title: item.title });
        const left = rowOf(item.sku);
        if (left) left.querySelector(".said").textContent = words;
        else this.#complain(new Error(words));
        this.#focus(item.sku);
        return;
      }
      this.#draw(await this.#ask("PUT", place(item), { title, sku, price, location, another: true }));
      this.#focus(sku);
    } catch (error) {
      row.querySelector(".said").textContent = error.message;
    }
  }

  async #remove(item) {
    try {
      this.#draw(await this.#ask("DELETE", place(item)));
    } catch (error) {
      this.#complain(error);
    }
  }

  // Where the keyboard goes on after an item was drawn anew.
  #focus(sku) {
    rowOf(sku)?.querySelector(".choices .button")?.focus();
  }
}

function rowOf(sku) {
  return [...byId("taught-items").children].find((row) => row.dataset.sku === sku);
}

// Whether an item is no longer as it was shown, among those that the device has now.
function isChanged(item, items) {
  const now = items.find((each) => each.item.sku === item.sku)?.item;
  return !now || ["title", "price", "location"].some((name) => now[name] !== item[name]);
}

function place({ sku }) {
  return `${TAUGHT}/${encodeURIComponent(sku)}`;
}

function kindWords(isNew, rests) {
  if (rests) return say("The catalogue has it now and is used instead.");
  return isNew ? say("An item of this device’s own.") : say("Further photos of an item of the catalogue.");
}
