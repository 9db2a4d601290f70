// The card that says how the device is, what can be done about it, and what its log says.

import { byId, make } from "./dom.js";
import { button, sureButton } from "./staff-buttons.js";
import { inWhole } from "./staff-whole.js";
import { asSentence } from "./sentence.js";
import { LOCALE, capitalized, ownWords, say } from "./words.js";

const RENEWED = 5_000; // ms
// A catalogue's id, with what stands before and after it in a path; and one that is a word alone.
const NEAR = /([\w./-]*\d{8}T\d{6}Z-[0-9a-f]{12}(?:[\w/-]|\.\w)*)/;
const BUNDLE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]{12}$/;
const BUILT = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

export class DeviceCard {
  #link;
  #timer = 0;

  constructor(link) {
    this.#link = link;
    byId("log").addEventListener("toggle", () => this.#showLog());
  }

  show(entered) {
    byId("device").hidden = !entered;
    byId("device-done").hidden = true;
    byId("log").open = false;
    clearInterval(this.#timer);
    if (!entered) {
      for (const words of ["findings", "device-done", "log-lines"]) byId(words).replaceChildren();
      return;
    }
    this.#renew();
    this.#timer = setInterval(() => document.hidden || this.#renew(), RENEWED);
  }

  async #renew() {
    let found;
    try {
      found = await this.#link.ask("GET", "api/staff/status");
      found.findings = await Promise.all(found.findings.map(inOwnWords));
    } catch (error) {
      found = { findings: [{ subject: "device", state: "wrong", message: error.message, remedy: "" }], actions: {} };
    }
    if (!this.#link.entered) return;
    const { findings, actions } = found;
    const list = byId("findings");
    findings.forEach((finding, place) => {
      drawOver(list, list.children[place], this.#row(finding, actions[finding.subject] ?? []));
    });
    while (list.children.length > findings.length) list.lastElementChild.remove();
  }

  #row({ subject, state, message, remedy, words: own }, actions) {
    const words = make(
      "div",
      "",
      make("h3", "", SPOKEN[state](SUBJECTS[subject] ?? capitalized(subject))),
      line(own?.message, "soft", asSentence(message)),
      remedy ? line(own?.remedy, "remedy", asSentence(remedy)) : null,
    );
    const buttons = actions.map((name) => {
      const act = () => this.#act(name);
      const [label, question] = ACTIONS[name];
      return question ? sureButton(label, question, act) : button(label, act);
    });
    const row = make("li", `finding ${STATES[state]}`, words, make("div", "actions", ...buttons));
    row.dataset.offers = [subject, ...actions].join(" ");
    return row;
  }

  async #act(action) {
    const done = byId("device-done");
    try {
      const { message } = await this.#link.ask("POST", "api/staff/action", { action });
      done.replaceChildren(...parts(message));
    } catch (error) {
      done.textContent = error.message;
    }
    done.hidden = false;
    this.#renew();
  }

  async #showLog() {
    if (!byId("log").open) return;
    const shown = byId("log-lines");
    try {
      const { lines } = await this.#link.ask("GET", "api/staff/log");
      shown.textContent = lines.join("\n");
    } catch (error) {
      if (this.#link.entered) shown.textContent = error.message;
    }
    shown.scrollTop = shown.scrollHeight;
  }
}

// What is in the page's language runs as the page does, whatever it begins with.
function line(isOwn, className, words) {
  const made = make("p", className, ...parts(words));
  if (!isOwn) made.dir = "auto";
  return made;
}

// A sentence as its parts: what stays whole, and the time at which each catalogue was built, in place of its id.
function parts(words) {
  return inWhole(words).flatMap((part) => (part instanceof Element ? part : part.split(NEAR).map(withDay)));
}

// The time is on one line, in the direction of the page.
function withDay(part) {
  const [id, year, month, ...rest] = BUNDLE.exec(part) ?? [];
  if (!id) return part;
  const time = BUILT.format(Date.UTC(year, month - 1, ...rest));
  const made = make("span", "", `\u2068${time.replaceAll(" ", "\u00a0")}\u2069`);
  made.title = id;
  return made;
}

// A finding in the page's language.
async function inOwnWords(finding) {
  const { message, remedy, words } = finding;
  return { ...finding, message: await ownWords(message, words.message), remedy: await ownWords(remedy, words.remedy) };
}

// Put a row in the place of an old one, whose buttons stay where they are the same: a finger may be on one.
function drawOver(list, old, row) {
  if (!old) list.append(row);
  else if (old.dataset.offers !== row.dataset.offers) old.replaceWith(row);
  else if (!old.firstElementChild.isEqualNode(row.firstElementChild)) {
    old.className = row.className;
    old.firstElementChild.replaceWith(row.firstElementChild);
  }
}

const STATES = { ok: "", note: "note", wrong: "wrong-state" };
const SPOKEN = { // the heading of a part, as it is
  ok: (part) => part,
  note: (part) => say("Look at this: {part}", { part }),
  wrong: (part) => say("Not well: {part}", { part }),
};
const SUBJECTS = {
  camera: say("Camera"),
  catalogue: say("Catalogue"),
  sync: say("New catalogues"),
  outbox: say("Reports"),
  disk: say("Disk"),
  temperature: say("Temperature"),
  versions: say("Versions"),
  device: say("Device"),
};
const ACTIONS = { // the words on each button, and the question before it acts
  "camera-again": [say("Reopen the camera")],
  "go-back": [say("Use the previous catalogue"), say("Use it now")],
  "sync-now": [say("Look for a new catalogue")],
  "follow-again": [say("Use new catalogues again")],
  restart: [say("Restart"), say("Restart now")],
};
