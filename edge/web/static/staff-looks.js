// The card of the last looks: whether each answer was right, and which item it was.

import { byId, make } from "./dom.js";
import { button } from "./staff-buttons.js";
import { clock, say } from "./words.js";

const SHOWN = 8; // looks
const OFFERS = 6; // items with the words that were typed
const TYPING = 250; // ms without a letter, after which they are looked for

export class LooksCard {
  #link;
  #judged = new Map(); // what was said, by the sighting's id
  #noted = new Map(); // what visitors said

  // onJudged() is called when something was said.
  constructor(link, { onJudged }) {
    this.#link = link;
    this.onJudged = onJudged;
    byId("looks-renew").addEventListener("click", () => this.renew());
  }

  show(entered) {
    byId("looks").hidden = !entered;
    if (entered) this.renew();
  }

  async renew() {
    let rows = [];
    this.#noted = await this.#notes();
    byId("looks-none").textContent = say("Nothing was shown yet.");
    try {
      const { sightings } = await this.#link.ask("GET", "api/sightings");
      rows = sightings.filter(({ look }) => look).slice(0, SHOWN).map((sighting) => this.#row(sighting));
    } catch (error) {
      byId("looks-none").textContent = error.message;
    }
    byId("looks-none").hidden = rows.length > 0;
    byId("looks-list").replaceChildren(...rows);
  }

  // What visitors said of the last sightings, by the sightings' ids.
  async #notes() {
    const found = await this.#link.ask("GET", "api/staff/history?asked=1").catch(() => ({ sightings: [] }));
    return new Map(found.sightings.map((entry) => [entry.id, entry]));
  }

  #row(sighting) {
    const picture = make("img");
    picture.src = sighting.look;
    picture.alt = say("What the camera saw");
    picture.loading = "lazy";
    const said = make("p", "said", this.#judged.get(sighting.id) || "");
    said.setAttribute("role", "status");
    const noted = this.#noted.get(sighting.id);
    const words = make(
      "div",
      "",
      make("h3", "", answerWords(sighting)),
      make("p", "soft", clock(sighting.at)),
      noted?.wanted ? make("p", "soft", say("A visitor asked for it.")) : null,
      said,
    );
    const row = make("li", "look", picture, words, make("div", "choices"));
    this.#offerChoices(row, sighting);
    return row;
  }

  #offerChoices(row, sighting) {
    const named = sighting.verdict === "match";
    const choices = row.querySelector(".choices");
    const other = button(named ? say("No: another") : say("It is …"), () => this.#search(row, sighting));
    const chosen = chosenItem(sighting, this.#noted.get(sighting.id));
    choices.replaceChildren(
      ...(named ? [button(say("Right"), () => this.#judge(row, sighting, { verdict: "right" }, say("Right.")))] : []),
      ...(chosen ? [button(say("Right: {title}, as a visitor said", { title: chosen.title }), () => this.#confirm(row, sighting, chosen))] : []),
      other,
      button(say("Not ours"), () => this.#judge(row, sighting, { verdict: "foreign" }, say("Not ours."))),
    );
  }

  // Let the item be found by its name.
  #search(row, sighting) {
    const field = make("input");
    field.type = "search";
    field.maxLength = 200;
    field.dir = "auto";
    field.setAttribute("aria-label", say("Name of the item"));
    field.placeholder = say("Its name");
    const offers = make("ul", "offers");
    let typing = 0;
    field.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#find(field, offers, row, sighting), TYPING);
    });
    const back = button(say("Cancel"), () => this.#offerChoices(row, sighting));
    row.querySelector(".choices").replaceChildren(field, offers, back);
    field.focus();
  }

  async #find(field, offers, row, sighting) {
    const words = field.value.trim();
    const query = new URLSearchParams({ q: words, limit: OFFERS });
    const found = words ? await this.#link.ask("GET", `api/items?${query}`).catch(() => null) : null;
    if (words !== field.value.trim()) return;
    const buttons = (found ? found.items : []).map((item) => {
      const offer = make("button", "offer", make("span", "", item.title));
      offer.type = "button";
      const said = say("It is {title}.", { title: item.title });
      offer.addEventListener("click", () => this.#judge(row, sighting, { verdict: "item", sku: item.sku }, said));
      return make("li", "", offer);
    });
    offers.replaceChildren(...buttons);
  }

  #confirm(row, sighting, item) {
    this.#judge(row, sighting, { verdict: "item", sku: item.sku }, say("It is {title}.", { title: item.title }));
  }

  async #judge(row, sighting, verdict, words) {
    const said = row.querySelector(".said");
    try {
      await this.#link.ask("POST", `api/sightings/${sighting.id}/verdict`, verdict);
      said.textContent = words;
      this.#judged.set(sighting.id, words);
      this.onJudged();
    } catch (error) {
      said.textContent = error.message;
    }
    this.#offerChoices(row, sighting);
  }
}

// The item that a visitor chose of those that were shown.
function chosenItem({ matches, guesses = [] }, noted) {
  return [...matches, ...guesses].find(({ sku }) => sku === noted?.chosen);
}

function answerWords({ verdict, matches }) {
  const titles = matches.map(({ title }) => title);
  if (verdict === "match") return titles[0];
  return verdict === "one_of" ? say("One of: {titles}", { titles: titles.join("; ") }) : say("Unknown");
}
