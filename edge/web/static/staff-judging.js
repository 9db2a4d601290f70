// What staff say about an answer: right, another item (by its name or its code), or none of the catalogue.

import { make, wait } from "./dom.js";
import { button, isolated, itemOffer } from "./staff-buttons.js";
import { say } from "./words.js";

const HOLD = say("Or hold its code before the camera.");
const OFFERS = 6; // items with the words that were typed
const TYPING = 250; // ms without a letter, after which they are looked for
const SCANNING = 400; // ms from one look at what the camera reads to the next

// What staff said of an answer, in a sentence; empty where they said nothing.
export function judgedWords(judged) {
  switch (judged?.verdict) {
    case "right":
      return say("Right.");
    case "item":
      return say("It is {title}.", { title: isolated(judged.title ?? judged.sku) });
    case "foreign":
      return say("Not ours.");
    default:
      return judged ? say("Wrong.") : "";
  }
}

// The place of a row where such a sentence stands.
export function saidLine(words) {
  const line = make("p", "said", words);
  line.setAttribute("role", "status");
  return line;
}

// Few buttons, and short ones, stand beside the answer where there is room.
function setShape(row, { short, few }) {
  row.classList.toggle("short", short);
  row.classList.toggle("few", few);
}

export class Judging {
  #link;
  #scans = 0; // fields that were opened; only the newest one scans

  // onJudged() is called when something was said.
  constructor(link, onJudged) {
    this.#link = link;
    this.onJudged = onJudged;
  }

  // Offer in a row what can be said: `named` is the item that the device named, `chosen` the one that a
  // visitor chose, null for none; `offered` are those of which the device named none alone.
  offer(row, answer, toFocus = null) {
    const { named, chosen, offered } = answer;
    const others = offered.filter(({ sku }) => sku !== chosen?.sku);
    const choices = row.querySelector(".choices");
    const foreign = button(say("Not ours"), () => this.#judge(row, answer, { verdict: "foreign" }));
    const other = button(named || offered.length ? say("No: another") : say("It is …"), () => this.#search(row, answer));
    choices.replaceChildren(
      ...(named ? [button(say("Right"), () => this.#judge(row, answer, { verdict: "right" }))] : []),
      ...(chosen ? [button(say("Right: {title}, as a visitor said", { title: isolated(chosen.title) }), () => this.#name(row, answer, chosen))] : []),
      ...others.map((item) => button(say("Right: {title}", { title: isolated(item.title) }), () => this.#name(row, answer, item))),
      make("span", "choices", other, foreign), // none of them is alone on a line
    );
    setShape(row, { short: !chosen && !offered.length, few: choices.querySelectorAll("button").length < 3 });
    if (toFocus === "other") other.focus();
    if (toFocus === "first") choices.querySelector(".button").focus();
  }

  // Put one button in place of all that can be said; it offers that anew. Gives the button.
  fold(row, answer, words = say("Change")) {
    const open = button(words, () => this.offer(row, answer, "first"));
    row.querySelector(".choices").replaceChildren(open);
    setShape(row, { short: true, few: true });
    return open;
  }

  // Let the item be found by its name, or by its code before the camera.
  #search(row, answer) {
    const field = make("input");
    field.type = "search";
    field.maxLength = 200;
    field.setAttribute("aria-label", say("Name of the item"));
    field.placeholder = say("Its name");
    const offers = make("ul", "offers");
    let typing = 0;
    field.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#find(field, offers, row, answer), TYPING);
    });
    const read = make("p", "soft", HOLD);
    read.setAttribute("role", "status");
    const scanned = make("ul", "offers");
    const back = button(say("Cancel"), () => this.offer(row, answer, "other"));
    row.querySelector(".choices").replaceChildren(field, offers, read, scanned, back);
    setShape(row, { short: false, few: false });
    field.focus();
    this.#scan({ field, read, scanned }, row, answer);
  }

  async #find(field, offers, row, answer) {
    const words = field.value.trim();
    const query = new URLSearchParams({ q: words, limit: OFFERS });
    const said = row.querySelector(".said");
    const failed = (error) => void (said.textContent = error.message);
    const found = words ? await this.#link.ask("GET", `api/items?${query}`).catch(failed) : null;
    if (words !== field.value.trim()) return;
    offers.replaceChildren(...(found ? found.items : []).map((item) => this.#offer(row, answer, item)));
  }

  // Show the item whose code the camera reads, for as long as the field is there and staff are here.
  // A code of no item is told while nothing is typed.
  async #scan({ field, read, scanned }, row, answer) {
    let shown = "";
    const scan = ++this.#scans;
    while (read.isConnected && scan === this.#scans && this.#link.entered) {
      const newest = document.hidden ? null : await this.#link.ask("GET", "api/latest").catch(() => null);
      const { code, matches: [item], unknown_gtin: gtin } = newest?.sighting ?? { matches: [] };
      const unknown = field.value.trim() ? "" : gtin;
      const key = code ? item?.sku : unknown;
      // its own code named the item that this answer is wrong about
      if (read.isConnected && key && key !== shown && key !== answer.named?.sku) {
        shown = key;
        read.textContent = code ? say("Read from its code:") : say("The code that the camera sees now, {gtin}, belongs to no item.", { gtin });
        scanned.replaceChildren(...(code ? [this.#offer(row, answer, item)] : []));
      } else if (field.value.trim() && !scanned.children.length) {
        shown = "";
        if (read.textContent !== HOLD) read.textContent = HOLD;
      }
      await wait(SCANNING);
    }
  }

  #offer(row, answer, item) {
    return itemOffer(item, () => this.#name(row, answer, item));
  }

  #name(row, answer, { sku, title }) {
    this.#judge(row, answer, { verdict: "item", sku }, title);
  }

  async #judge(row, answer, verdict, title = null) {
    const said = row.querySelector(".said");
    const buttons = row.querySelectorAll(".choices button");
    const enable = (enabled) => buttons.forEach((each) => void (each.disabled = !enabled));
    enable(false);
    try {
      await this.#link.ask("POST", `api/sightings/${encodeURIComponent(answer.id)}/verdict`, verdict);
    } catch (error) {
      said.textContent = error.message;
      enable(true);
      return;
    }
    said.textContent = judgedWords({ ...verdict, title });
    this.onJudged(answer, said.textContent);
    this.fold(row, answer).focus();
  }
}
