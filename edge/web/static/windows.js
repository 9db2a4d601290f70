// One link to the device for all windows of a browser, which makes only six connections to it.
//
// The leader has the link and tells the others what comes by it. A window that opens claims to be
// the leader; the older of two claims is right. When the leader leaves, another window claims.

import { Link } from "./link.js";

const CLAIM_EVERY = 4_000; // ms
const QUIET_LIMIT = 12_000; // a leader that claims nothing for so long is gone
const TURN = 200; // within it a window claims, at random, when the leader has left

export class SharedLink {
  #link;
  #channel = null;
  #opened = false;
  #claim = null; // [since when, a random number] while this window leads
  #claiming = 0;
  #waiting = 0;
  #state = null;
  #reached = true;

  // onState(document) and onReach(boolean) are called as by Link.
  constructor({ onState, onReach }) {
    this.onState = onState;
    this.onReach = onReach;
    this.#link = new Link({
      onState: (state) => this.#pass({ state, reached: true }),
      onReach: (reached) => this.#pass({ reached }),
    });
  }

  open() {
    if (this.#opened) return;
    this.#opened = true;
    this.#channel = openChannel();
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#lead();
  }

  close() {
    if (this.#claim) this.#tell({ left: true });
    this.#follow();
    clearTimeout(this.#waiting);
    this.#channel?.close();
    this.#channel = null;
    this.#opened = false;
  }

  #lead() {
    clearTimeout(this.#waiting);
    this.#claim = [Date.now(), Math.random()];
    this.#tell({ claim: this.#claim });
    this.#claiming = setInterval(() => this.#tell({ claim: this.#claim }), CLAIM_EVERY);
    this.#link.open();
  }

  #follow() {
    this.#claim = null;
    clearInterval(this.#claiming);
    this.#link.close();
  }

  #hear(said) {
    if (said.claim) {
      if (this.#claim && isOlder(this.#claim, said.claim)) {
        this.#tell({ claim: this.#claim, state: this.#state, reached: this.#reached });
        return;
      }
      if (this.#claim) this.#follow();
      this.#leadAfter(QUIET_LIMIT);
    }
    if (said.left) this.#leadAfter(0);
    if (!this.#claim) this.#take(said);
  }

  #leadAfter(milliseconds) {
    if (this.#claim) return;
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#lead(), milliseconds + Math.random() * TURN);
  }

  #pass(news) {
    this.#take(news);
    if (this.#claim) this.#tell(news);
  }

  #take({ state, reached = this.#reached }) {
    if (reached !== this.#reached) {
      this.#reached = reached;
      this.onReach(reached);
    }
    if (state) {
      this.#state = state;
      this.onState(state);
    }
  }

  #tell(news) {
    this.#channel?.postMessage(news);
  }
}

function isOlder([since, number], [otherSince, otherNumber]) {
  return since < otherSince || (since === otherSince && number < otherNumber);
}

// Windows that show another version of the page, or another device's, are not told.
function openChannel() {
  try {
    return new BroadcastChannel(`${location.pathname} ${document.documentElement.dataset.page}`);
  } catch {
    return null; // where a browser has none, each window has its own link
  }
}
