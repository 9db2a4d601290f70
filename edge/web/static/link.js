// The link to the device: server-sent events, and polling while they fail.

import { jitter, timeLimit } from "./dom.js";

// A device that no longer answers is noticed within three seconds: QUIET_LIMIT and FIRST_LIMIT.
const QUIET_LIMIT = 1_700; // ms; more than a heartbeat and its delay
const FIRST_LIMIT = 1_000; // for an answer, while the device counts as reached; longer on a slow link
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 8_000;
const POLL_PAUSE = 1_000;
const POLL_LIMIT = 4_000;
const SLOW_FOR = 60_000; // ms for which a link counts as slow as its last answer was

export class Link {
  #source = null;
  #watchdog = 0;
  #retry = 0;
  #poll = 0;
  #pause = FIRST_PAUSE;
  #wanted = false;
  #reached = true;
  #asked = 0;
  #answered = 0; // the newest ask with an answer: older ones say nothing new
  #limit = POLL_LIMIT; // of a slow link; before the first answer nothing old is shown
  #slowUntil = Infinity;

  // onState(document) is called with every state. onReach(boolean) is called when the device stops
  // answering, or answers again.
  constructor({ onState, onReach }) {
    this.onState = onState;
    this.onReach = onReach;
  }

  open() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#reached = true;
    this.#pause = FIRST_PAUSE;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    this.#drop();
    clearTimeout(this.#retry);
    clearTimeout(this.#poll);
    this.#poll = 0;
  }

  // A stream that was refused (503) is closed for good by the browser: always make a new one.
  #connect() {
    this.#drop();
    const source = new EventSource("api/events");
    this.#source = source;
    this.#watch();
    source.addEventListener("state", (event) => {
      this.#alive();
      this.onState(JSON.parse(event.data));
    });
    source.addEventListener("heartbeat", () => this.#alive());
    source.onerror = () => this.#lost();
  }

  #drop() {
    clearTimeout(this.#watchdog);
    if (this.#source) {
      this.#source.onerror = null;
      this.#source.close();
      this.#source = null;
    }
  }

  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lost(), QUIET_LIMIT);
  }

  #alive() {
    this.#watch();
    this.#pause = FIRST_PAUSE;
    clearTimeout(this.#poll);
    this.#poll = 0;
    this.#answered = this.#asked;
    if (this.#slowUntil === Infinity) this.#slowUntil = 0;
    this.#reach(true);
  }

  #reach(reached) {
    const changed = reached !== this.#reached;
    this.#reached = reached;
    if (changed) this.onReach(reached);
    return changed;
  }

  #lost() {
    this.#drop();
    clearTimeout(this.#retry);
    if (!this.#wanted) return;
    this.#retry = setTimeout(() => this.#connect(), jitter(this.#pause));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    if (!this.#poll) this.#ask();
  }

  #patience() {
    if (!this.#reached) return POLL_LIMIT;
    return performance.now() < this.#slowUntil ? this.#limit : FIRST_LIMIT;
  }

  // A link that is slow, but answers, is no lost one.
  #learn(took) {
    this.#limit = Math.min(Math.max(FIRST_LIMIT, 2 * took), POLL_LIMIT);
    this.#slowUntil = performance.now() + SLOW_FOR;
  }

  async #ask() {
    const turn = setTimeout(() => this.#ask(), jitter(POLL_PAUSE));
    this.#poll = turn;
    const number = ++this.#asked;
    const began = performance.now();
    let state = null;
    try {
      const answer = await fetch("api/latest", {
        cache: "no-store",
        signal: timeLimit(this.#patience()),
      });
      if (answer.ok) state = await answer.json();
    } catch {
      // the device does not answer; the next turn asks again
    }
    if (this.#poll === 0 || !this.#wanted) return; // the stream came back meanwhile
    if (number <= this.#answered) return;
    if (state) {
      this.#answered = number;
      this.#learn(performance.now() - began);
    }
    const back = this.#reach(state !== null) && state;
    if (state) this.onState(state);
    if (back && this.#wanted) {
      this.#pause = FIRST_PAUSE;
      clearTimeout(this.#retry);
      this.#connect();
    }
  }
}
