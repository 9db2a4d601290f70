// The card of what was seen: filtered, page by page, and as a table.

import { byId, make } from "./dom.js";
import { isolated, listed, nameHeading, sureButton } from "./staff-buttons.js";
import { judgedWords, Judging, saidLine } from "./staff-judging.js";
import { lookPicture } from "./staff-missing.js";
import { drawDays, midnight } from "./staff-days.js";
import { clock, say, sayParts } from "./words.js";

const HISTORY = "api/staff/history";
const [FIRST, FURTHER] = [10, 50]; // sightings of a page; the cards below the first are to be reached
const TYPING = 400; // ms without a letter, after which a filter counts

export class HistoryCard {
  #link;
  #judging;
  #typing = 0;
  #before = 0; // where the next page begins
  #asked = 0; // questions so far; the answer to an older one is passed over

  // onJudged() is called when staff said something of an answer.
  constructor(link, { onJudged }) {
    this.#link = link;
    this.#judging = new Judging(link, onJudged);
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
    clearTimeout(this.#typing);
    if (entered) for (const days of ["history-since", "history-until"]) drawDays(byId(days));
    byId("history-filters").reset();
    if (entered) this.#renew();
    else this.#clear();
  }

  #renew() {
    byId("history-table").href = `${HISTORY}.csv?${this.#query()}`;
    byId("history-list").replaceChildren();
    return this.#ask(0);
  }

  #clear() {
    this.#asked += 1;
    byId("history-table").removeAttribute("href");
    byId("history-list").replaceChildren();
    byId("history-more").hidden = true;
    byId("history-none").textContent = "";
  }

  async #ask(before) {
    const asked = ++this.#asked;
    const limit = before ? FURTHER : FIRST;
    const none = byId("history-none");
    try {
      const { sightings, before: next } = await this.#link.ask("GET", `${HISTORY}?${this.#query()}&before=${before}&limit=${limit}`);
      if (asked !== this.#asked) return;
      byId("history-list").append(...sightings.map((entry) => this.#row(entry)));
      this.#before = next;
      byId("history-more").hidden = next === null;
      const isEmpty = byId("history-list").children.length === 0;
      none.textContent = isEmpty ? this.#emptyWords() : "";
      byId("history-table").hidden = isEmpty;
      byId("history-forget").hidden = isEmpty && !`${this.#query()}`; // there may be some of another kind
    } catch (error) {
      if (asked === this.#asked) none.textContent = error.message;
    }
  }

  #emptyWords() {
    return `${this.#query()}` ? say("Nothing of that kind was shown.") : say("Nothing was shown yet.");
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
      if (byId("history-forget").hidden) byId("history-words").focus(); // the button had the focus
    } catch (error) {
      byId("history-none").textContent = error.message;
    }
  }

  #row(entry) {
    const { id, answer, sku, title, others, chosen, chosen_title, has_look } = entry;
    const named = [title, ...(answer === "match" ? [] : others)].filter(Boolean);
    const words = make(
      "div",
      "",
      named.length === 1 ? nameHeading(named[0]) : make("h3", "", named.length ? listed(named) : ANSWERS[answer]),
      make("p", "soft", details(entry, named.length > 0)),
      saidLine(judgedWords(entry.judged)),
    );
    const row = make("li", has_look ? "look" : "look bare", has_look ? lookPicture(id) : null, words, make("div", "choices"));
    const judged = {
      id,
      named: answer === "match" ? { sku, title } : null,
      offered: sku && answer !== "match" ? [{ sku, title }] : [], // of the others it keeps the titles alone
      chosen: chosen ? { sku: chosen, title: chosen_title ?? chosen } : null,
    };
    this.#judging.fold(row, judged, askWords(entry));
    return row;
  }
}

const ANSWERS = { match: say("Recognised"), one_of: say("One of several"), perhaps: say("Perhaps one of these"), unknown: say("Unknown") };

// What the button says that lets staff judge an answer.
function askWords({ answer, judged }) {
  if (judged) return say("Change");
  return answer === "unknown" ? say("What is it?") : say("Was it right?");
}

// What there is to tell of a sighting beside the answer.
function details({ at, answer, code, unknown_gtin, chosen, chosen_title, wanted }, isNamed) {
  const told = [clock(Date.parse(at)).replaceAll(" ", "\u00a0")]; // on one line
  if (isNamed) told.push(ANSWERS[answer]); // else it is the heading
  if (code) told.push(say("code {code}", { code }));
  if (unknown_gtin) told.push(say("product number {gtin}", { gtin: unknown_gtin }));
  if (chosen) told.push(say("a visitor chose {chosen}", { chosen: isolated(chosen_title ?? chosen) }));
  if (wanted) told.push(say("a visitor asked for it"));
  // in the page's order: between signs for their own direction they would have that of Latin words
  return told.reduce((all, next) => sayParts("{all}, {next}", { all, next }).join(""));
}
