// The search with a photo. Loaded when somebody chooses one.

import { sentenceView, sightingView } from "./answer.js";
import { byId, timeLimit } from "./dom.js";
import { late } from "./late.js";
import { localSighting, say, spokenVerdict } from "./words.js";

const LARGEST_PHOTO = 64 * 1024 * 1024 - 4096; // the device's limit minus the form around the photo
const PATIENCE = 30_000; // ms
const SLOW_UPLOAD = 32; // bytes a millisecond: a phone at the edge of the network

// What a photo shows, as a result for the panel. `box` is in pixels of it; empty for all of it: then
// the photo is shown, too, and given to keep(photo). open(item), name(), to search by name, and
// searchPart(box) are a visitor's wishes.
export async function seenOn(file, box, signal, { open, name, searchPart, keep }) {
  const shown = !box && showPhoto(file, signal, searchPart).catch(() => null);
  if (shown) shown.then((photo) => photo && keep(photo));
  const sighting = await searchPhoto(file, box);
  if (shown) shown.then((photo) => signal.aborted || photo?.found(sighting));
  const view =
    sighting.verdict === "nothing"
      ? sentenceView("ask", say("I see nothing in this photo"), say("Take it closer, on a plain ground."))
      : sightingView(sighting, open, name);
  return { words: say("Your photo"), view, spoken: spokenVerdict(sighting), sighting };
}

// The photo in the place of the live picture; null where another one is wanted by then.
async function showPhoto(file, signal, searchPart) {
  const { boxed } = await late("photo-box.js");
  const photo = await boxed(byId("frame"), file, searchPart);
  if (!signal.aborted) return photo;
  photo.remove();
  return null;
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
