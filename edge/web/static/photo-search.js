// The search with a photo. Loaded when somebody chooses one.

import { sentenceView, sightingView } from "./answer.js";
import { timeLimit } from "./dom.js";
import { late } from "./late.js";
import { localSighting, say, spokenVerdict } from "./words.js";

const LARGEST_PHOTO = 64 * 1024 * 1024 - 4096; // the device's limit minus the form around the photo
const PATIENCE = 30_000; // ms
const SLOW_UPLOAD = 32; // bytes a millisecond: a phone at the edge of the network

// What a photo shows, as a result for the panel. `box` is in pixels of it; empty for all of it.
// open(item) and name(), to search by name, are a visitor's wishes.
export async function seenOn(file, box, open, name) {
  const sighting = await searchPhoto(file, box);
  const view =
    sighting.verdict === "nothing"
      ? sentenceView("ask", say("I see nothing in this photo"), say("Take it closer, on a plain ground."))
      : sightingView(sighting, open, name);
  return { words: say("Your photo"), view, spoken: spokenVerdict(sighting), sighting };
}

async function searchPhoto(file, box) {
  const { ask, told } = await late("search.js");
  if (file.size > LARGEST_PHOTO) {
    throw told(say("This photo is larger than 64 MiB. Choose a smaller one."));
  }
  const form = new FormData();
  form.append("photo", file, file.name || "photo.jpg");
  if (box) form.append("box", box);
  const signal = timeLimit(PATIENCE + file.size / SLOW_UPLOAD);
  return localSighting(await ask("api/search", { method: "POST", body: form, signal }));
}
