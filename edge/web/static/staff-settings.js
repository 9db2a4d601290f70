// The card of the settings that a shop changes.

import { byId, make } from "./dom.js";
import { sureButton } from "./staff-buttons.js";
import { Turns } from "./staff-turns.js";
import { say } from "./words.js";

const SETTINGS = "api/staff/settings";

export class SettingsCard {
  #link;
  #turns = new Turns();
  #shown = {}; // the values that the device has, by the settings' names

  constructor(link) {
    this.#link = link;
    byId("settings-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const beyond = beyondBounds();
      if (beyond) this.#complain(beyond);
      else this.#ask("POST", say("Changed."), () => this.#changes());
    });
    byId("settings-form").addEventListener("input", () => byId("settings-save").classList.add("strong"));
    byId("settings-undo").addEventListener("click", () => this.#ask("DELETE", say("The last change is undone.")));
    byId("settings-restart").append(sureButton(say("Restart"), say("Restart now"), () => this.#restart()));
  }

  show(entered) {
    byId("settings").hidden = !entered;
    if (entered) this.#ask("GET", "");
    else this.#clear();
  }

  #clear() {
    this.#shown = {};
    this.#turns = new Turns(); // what is still asked is of this session
    byId("settings-fields").replaceChildren();
    for (const words of ["settings-done", "settings-wrong"]) byId(words).textContent = "";
    byId("settings-form").title = "";
  }

  async #ask(method, done, content = () => undefined) {
    byId("settings-wrong").hidden = true;
    let typed;
    const exchange = () => {
      const sent = content();
      typed = new Map(allInputs().map((input) => [input.name, sent ? said(input) : input.dataset.shown]));
      return this.#link.ask(method, SETTINGS, sent);
    };
    try {
      this.#draw(await this.#turns.inTurn(exchange), done, typed);
    } catch (error) {
      this.#complain(error);
    }
  }

  // Show what the device has now. A field that says something else than what it was asked with, in `typed`, keeps it:
  // somebody typed it meanwhile.
  #draw({ settings, needs_restart, can_undo, file }, done, typed) {
    this.#shown = Object.fromEntries(settings.map(({ name, value }) => [name, value]));
    const rows = settings.map((setting) => field(setting));
    if (allInputs().length !== rows.length) byId("settings-fields").replaceChildren(...rows);
    for (const [place, input] of allInputs().entries()) {
      const now = rows[place].querySelector("input, select");
      if (said(input) === typed.get(input.name)) [input.value, input.checked] = [now.value, now.checked];
      input.dataset.shown = now.dataset.shown;
    }
    byId("settings-undo").hidden = !can_undo;
    byId("settings-restart").hidden = !needs_restart;
    byId("settings-save").classList.toggle("strong", !needs_restart || allInputs().some((input) => said(input) !== input.dataset.shown));
    const later = needs_restart ? say("What was changed counts when the device starts again.") : "";
    byId("settings-done").textContent = [done, later].filter(Boolean).join(" ");
    byId("settings-done").hidden = !done && !later;
    byId("settings-form").title = file;
  }

  // The values that somebody changed.
  #changes() {
    const changes = {};
    for (const input of allInputs()) {
      if (input.disabled || said(input) === input.dataset.shown) continue;
      changes[input.name] = valueOf(input, this.#shown[input.name]);
    }
    return changes;
  }

  async #restart() {
    try {
      const { message } = await this.#link.ask("POST", "api/staff/action", { action: "restart" });
      byId("settings-done").textContent = message;
      byId("settings-done").hidden = false;
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error) {
    byId("settings-wrong").textContent = error.message;
    byId("settings-wrong").hidden = !error.message;
  }
}

const LANGUAGES = { "": say("The browser’s"), en: "English", de: "Deutsch", fr: "Français", es: "Español", zh: "中文", ja: "日本語", ar: "العربية" };
const example = (value) => say("for example {value}", { value });
const FIELDS = { // the label of each setting, what an empty field says, and where it needs one a sentence below it
  "edge.camera": [say("Camera"), example("/dev/video0, rtsp://…")],
  "page.name": [say("The shop’s name"), example(say("Corner shop"))],
  "page.welcome": [say("The first sentence while nobody is there"), ""],
  "page.accent": [say("The page’s colour"), example("#1f5c57")],
  "page.language": [say("Language"), ""],
  "page.dim": [say("Dark at night"), example("22:00-07:00")],
  "edge.foreign_share": [
    say("How many of 100 things shown are not ours"),
    "",
    say("It can stay as it is: the device begins with it and learns the right number itself. The higher it is, the more careful the device is to name a thing."),
  ],
  "edge.keep_looks": [say("Keep pictures of what was shown, on this device"), ""],
};

// Why the first number that its setting does not take is none, in the unit of its field; null where all are taken.
function beyondBounds() {
  for (const input of byId("settings-fields").querySelectorAll("input[type=number]")) {
    const { shown, least, most } = input.dataset;
    const number = Number(input.value);
    if (input.disabled || said(input) === shown || (number >= least && number <= most)) continue;
    input.focus();
    return new Error(say("{label}: from {least} to {most}.", { label: FIELDS[input.name][0], least, most }));
  }
  return null;
}

function allInputs() {
  return [...byId("settings-fields").querySelectorAll("input, select")];
}

function field({ name, value, fixed_by, least, most }) {
  const [label, empty, hint = ""] = FIELDS[name] ?? [name, ""];
  const input = name === "page.language" ? select(LANGUAGES, value) : make("input");
  input.name = name;
  input.id = `setting-${name}`;
  if (typeof value === "boolean") {
    input.type = "checkbox";
    input.checked = value;
  } else if (typeof value === "number") {
    input.type = "number";
    input.step = "any";
    input.value = inUnits(name, value);
    input.dataset.least = inUnits(name, least ?? -Infinity);
    input.dataset.most = inUnits(name, most ?? Infinity);
  } else {
    input.value = value;
    input.dir = "auto";
    if (empty) input.placeholder = empty;
  }
  input.dataset.shown = said(input);
  const row = make("div", hint || fixed_by || typeof value === "boolean" ? "whole" : "", ...labelled(label, input));
  if (hint) {
    const line = make("p", "soft", hint);
    line.id = `${input.id}-hint`;
    input.setAttribute("aria-describedby", line.id);
    row.append(line);
  }
  if (fixed_by) {
    input.disabled = true;
    row.append(make("p", "soft", say("Set by {what}.", { what: fixed_by })));
  }
  return row;
}

// A number as its field shows it: of shares so many of 100.
function inUnits(name, value) {
  return name.endsWith("_share") ? Math.round(value * 1000) / 10 : value;
}

// A field below its name; one that is ticked before it, and a touch on the name ticks it, too.
function labelled(label, input) {
  if (input.type === "checkbox") return [make("label", "tick", input, make("span", "", label))];
  const words = make("label", "", label);
  words.htmlFor = input.id;
  return [words, input];
}

// What an input says, as a text.
function said(input) {
  return input.type === "checkbox" ? String(input.checked) : input.value;
}

// What an input says, of the kind that the setting has.
function valueOf(input, former) {
  if (typeof former === "boolean") return input.checked;
  if (typeof former !== "number") return input.value.trim();
  const shown = Number(input.value);
  return input.name.endsWith("_share") ? shown / 100 : shown;
}

function select(choices, chosen) {
  const made = make("select");
  for (const [value, words] of Object.entries(choices)) {
    const option = make("option", "", words);
    option.value = value;
    option.selected = value === chosen;
    made.append(option);
  }
  return made;
}
