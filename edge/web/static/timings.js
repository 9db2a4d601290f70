// How long each stage of an answer took, for those who open the list. Loaded some seconds after the page.

import { make } from "./dom.js";
import { loadStyles } from "./late.js";
import { say } from "./words.js";

const STAGES = ["capture", "look", "embed", "search", "verify", "code", "show"];

export class Timings {
  #list = make("dl");
  #whole = make("details", "timings", make("summary", "", say("Timings")), this.#list);
  #names = [
    say("Take the picture"),
    say("Find the thing"),
    say("Describe it"),
    say("Search"),
    say("Verify"),
    say("Read codes"),
    say("Show"),
  ];
  #sighting = null;

  constructor() {
    this.#list.id = "timings-list";
    this.#whole.id = "timings";
    this.#whole.addEventListener("toggle", () => this.#draw());
    loadStyles("timings.css").then(() => document.querySelector(".status").append(this.#whole));
  }

  show(sighting) {
    this.#sighting = sighting;
    if (this.#whole.open) this.#draw();
  }

  #draw() {
    const spent = STAGES.map((stage) => this.#sighting?.timings?.[stage]);
    const words = spent.map((time) => (time === undefined ? "–" : `${time.toFixed(1)} ms`));
    this.#list.replaceChildren(
      ...this.#names.flatMap((name, place) => [make("dt", "", name), make("dd", "", words[place])]),
    );
  }
}
