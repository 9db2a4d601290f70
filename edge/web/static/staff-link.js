// Requests of the staff's area: each carries the session's token, and an end of the session is told.

import { timeLimit } from "./dom.js";
import { ownWords, say } from "./words.js";

const PATIENCE = 30_000; // ms

export class Refused extends Error {
  // `wait` is how many seconds the device wants to wait before it is asked again; 0 for none. `values` are those
  // that stand in the sentence, by their names.
  constructor(status, detail, wait = 0, values = {}) {
    super(detail);
    this.status = status;
    this.wait = wait;
    this.values = values;
  }
}

export class StaffLink {
  #token = null;

  // onLeft() is called when the device no longer knows the session.
  constructor({ onLeft }) {
    this.onLeft = onLeft;
  }

  get entered() {
    return this.#token !== null;
  }

  // The answer to a request as an object; Refused with the device's own sentence where there is one. The content is a
  // photo, or else is sent as JSON.
  async ask(method, path, content = undefined, patience = PATIENCE) {
    const token = this.#token;
    const headers = {};
    if (token) headers["X-Staff-Token"] = token;
    const isPhoto = content instanceof Blob;
    if (content !== undefined) headers["Content-Type"] = isPhoto ? content.type || "application/octet-stream" : "application/json";
    let answer, found;
    try {
      answer = await fetch(path, {
        method,
        headers,
        body: content === undefined || isPhoto ? content : JSON.stringify(content),
        cache: "no-store",
        signal: timeLimit(patience),
      });
      found = answer.ok && answer.status !== 204 ? await answer.json() : {};
    } catch {
      throw new Refused(0, say("The device does not answer. Look whether it is on and in this network."));
    }
    if (token !== this.#token) throw new Refused(0, ""); // the staff have left meanwhile
    if (answer.ok) return found;
    found = await answer.json().catch(() => found);
    if (answer.status === 401 && this.entered) {
      this.#token = null;
      this.onLeft();
    }
    const detail = await ownWords(found.detail, found.words);
    const wait = Number(answer.headers.get("Retry-After")) || 0;
    throw new Refused(answer.status, detail || say("The device answered {status}.", { status: answer.status }), wait, found.words?.values);
  }

  // End the session at once: nobody waits for an answer. Where the device cannot be told, it ends there by itself.
  leave(path) {
    if (!this.entered) return;
    const headers = { "X-Staff-Token": this.#token };
    fetch(path, { method: "DELETE", headers, keepalive: true }).catch(() => {});
    this.#token = null;
    this.onLeft();
  }

  async session(method, path, content = undefined) {
    const found = await this.ask(method, path, content);
    this.#token = found.token;
    return found;
  }
}
