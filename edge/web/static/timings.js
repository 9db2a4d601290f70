// How long each stage of an answer took. Loaded when somebody opens the list.

import { byId, make } from "./dom.js";
import { loadStyles } from "./late.js";
import { say } from "./words.js";

const STAGES = {
  capture: say("Take the picture"),
  look: say("Find the thing"),
  embed: say("Describe it"),
  search: say("Search"),
  verify: say("Verify"),
  code: say("Read codes"),
  show: say("Show"),
};

export async function showTimings(sighting) {
  await loadStyles("timings.css");
  const list = byId("timings-list");
  list.replaceChildren();
  for (const [stage, words] of Object.entries(STAGES)) {
    const spent = sighting?.timings?.[stage];
    list.append(make("dt", "", words), make("dd", "", spent === undefined ? "–" : `${spent.toFixed(1)} ms`));
  }
}
