// The card of the last looks: whether each answer was right, and which item it was.

import { byId, make } from "./dom.js";
import { listed, nameHeading } from "./staff-buttons.js";
import { judgedWords, Judging, saidLine } from "./staff-judging.js";
import { clock, guessWords, say, sayParts } from "./words.js";

const SHOWN = 8; // looks

export class LooksCard {
  #link;
  #asked = 0; // questions so far; the answer to an older one is passed over
  #judging;
  #judged = new Map(); // what was said here, by the sighting's id, for a device that keeps no history
  #noted = new Map(); // what visitors and staff said

  // onJudged() is called when something was said.
  constructor(link, { onJudged }) {
    this.#link = link;
    this.#judging = new Judging(link, ({ id }, words) => {
      this.#judged.set(id, words);
      onJudged();
    });
    byId("looks-renew").addEventListener("click", () => this.renew());
  }

  show(entered) {
    byId("looks").hidden = !entered;
    if (entered) {
      this.renew();
    } else {
      this.#judged.clear();
      this.#noted.clear();
      byId("looks-list").replaceChildren();
    }
  }

  async renew() {
    let rows = [];
    let none = say("Nothing was shown yet.");
    const asked = ++this.#asked;
    this.#noted = await this.#notes();
    try {
      const { sightings } = await this.#link.ask("GET", "api/sightings");
      rows = sightings.filter(({ look }) => look).slice(0, SHOWN).map((sighting) => this.#row(sighting));
    } catch (error) {
      none = error.message;
    }
    if (!this.#link.entered || asked !== this.#asked) return;
    byId("looks-none").textContent = none;
    byId("looks-none").hidden = rows.length > 0;
    byId("looks-list").replaceChildren(...rows);
  }

  // What visitors and staff said of the last sightings, by the sightings' ids.
  async #notes() {
    const found = await this.#link.ask("GET", "api/staff/history?limit=100").catch(() => ({ sightings: [] }));
    return new Map(found.sightings.map((entry) => [entry.id, entry]));
  }

  #row(sighting) {
    const picture = make("img");
    picture.src = sighting.look;
    picture.alt = say("What the camera saw");
    picture.loading = "lazy";
    const noted = this.#noted.get(sighting.id);
    const said = saidLine(judgedWords(noted?.judged) || this.#judged.get(sighting.id) || "");
    const words = make(
      "div",
      "",
      sighting.verdict === "match" ? nameHeading(sighting.matches[0].title) : make("h3", "", answerWords(sighting)),
      make("p", "soft", clock(sighting.at)),
      noted?.wanted ? make("p", "soft", say("A visitor asked for it.")) : null,
      said,
    );
    const row = make("li", "look", picture, words, make("div", "choices"));
    const answer = {
      id: sighting.id,
      named: sighting.verdict === "match" ? sighting.matches[0] : null,
      offered: sighting.verdict === "match" ? [] : [...sighting.matches, ...(sighting.guesses ?? [])],
      chosen: chosenItem(sighting, noted),
    };
    if (said.textContent) this.#judging.fold(row, answer);
    else this.#judging.offer(row, answer);
    return row;
  }
}

// The item that a visitor chose of those that were shown.
function chosenItem({ matches, guesses = [] }, noted) {
  return [...matches, ...guesses].find(({ sku }) => sku === noted?.chosen);
}

function answerWords({ verdict, matches, guesses }) {
  if (verdict === "one_of") return sayParts("One of: {titles}", { titles: titlesOf(matches) }).join("");
  return guesses ? `${guessWords(guesses)}: ${titlesOf(guesses)}` : say("Unknown");
}

function titlesOf(items) {
  return listed(items.map(({ title }) => title));
}
