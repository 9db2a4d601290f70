// The card of what was seen: filtered, page by page, and as a table.

import { byId, make } from "./dom.js";
import { sureButton } from "./staff-buttons.js";
import { lookPicture } from "./staff-missing.js";
import { clock, say } from "./words.js";

const HISTORY = "api/staff/history";
const TYPING = 400; // ms without a letter, after which a filter counts

export class HistoryCard {
  #link;
  #typing = 0;
  #before = 0; // where the next page begins
  #asked = 0; // questions so far; the answer to an older one is passed over

  constructor(link) {
    this.#link = link;
    byId("history-filters").addEventListener("submit", (event) => event.preventDefault());
    byId("history-filters").addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#renew(), TYPING);
    });
    byId("history-more").addEventListener("click", () => this.#ask(this.#before));
    byId("history-forget").append(sureButton(say("Forget all"), say("Forget all for good"), () => this.#forget()));
  }

  show(entered) {
    byId("history").hidden = !entered;
    if (entered) this.#renew();
  }

  #renew() {
    byId("history-table").href = `${HISTORY}.csv?${this.#query()}`;
    byId("history-list").replaceChildren();
    return this.#ask(0);
  }

  async #ask(before) {
    const asked = ++this.#asked;
    const none = byId("history-none");
    try {
      const { sightings, before: next } = await this.#link.ask("GET", `${HISTORY}?${this.#query()}&before=${before}`);
      if (asked !== this.#asked) return;
      byId("history-list").append(...sightings.map(row));
      this.#before = next;
      byId("history-more").hidden = next === null;
      none.textContent = byId("history-list").children.length ? "" : say("Nothing of that kind was shown.");
    } catch (error) {
      none.textContent = error.message;
    }
  }

  #query() {
    const query = new URLSearchParams();
    const [since, until] = [byId("history-since").value, byId("history-until").value];
    const filters = { q: byId("history-words").value.trim(), answer: byId("history-answer").value };
    for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
    if (since) query.set("since", midnight(since, 0).toISOString());
    if (until) query.set("until", midnight(until, 1).toISOString()); // with that day
    return query;
  }

  async #forget() {
    try {
      await this.#link.ask("DELETE", HISTORY);
      await this.#renew();
    } catch (error) {
      byId("history-none").textContent = error.message;
    }
  }
}

// The begin of a day, or of one some days later, where the person is: times are shown in the browser's time zone.
function midnight(day, later) {
  const date = new Date(`${day}T00:00`);
  date.setDate(date.getDate() + later); // one of 23 or 25 hours, too
  return date;
}

const ANSWERS = { match: say("Named"), one_of: say("One of several"), perhaps: say("Guessed"), unknown: say("Unknown") };

function row({ id, at, answer, title, others, code, unknown_gtin, chosen, wanted, has_look }) {
  const details = [clock(Date.parse(at)), ANSWERS[answer]];
  if (code) details.push(say("code {code}", { code }));
  if (unknown_gtin) details.push(say("Product number {gtin}", { gtin: unknown_gtin }));
  if (chosen) details.push(say("a visitor chose {chosen}", { chosen }));
  if (wanted) details.push(say("a visitor asked for it"));
  const titles = [title, ...(answer === "match" ? [] : others)].filter(Boolean).join("; ");
  const picture = has_look ? lookPicture(id) : null;
  const words = make("div", "", make("h3", "", titles || say("Unknown")), make("p", "soft", details.join(", ")));
  return make("li", has_look ? "look" : "look bare", picture, words);
}
