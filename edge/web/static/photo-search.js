// The request that searches with a photo. Loaded when somebody chooses one.

import { timeLimit } from "./dom.js";
import { PATIENCE, ask } from "./search.js";
import { localSighting, say } from "./words.js";

const LARGEST_PHOTO = 64 * 1024 * 1024 - 4096; // the device's limit minus the form around the photo
const SLOW_UPLOAD = 32; // bytes a millisecond: a phone at the edge of the network

// `box` is in pixels of the photo; empty for all of it.
export async function searchPhoto(file, box = "") {
  if (file.size > LARGEST_PHOTO) {
    throw new Error(say("This photo is larger than 64 MiB. Choose a smaller one."));
  }
  const form = new FormData();
  form.append("photo", file, file.name || "photo.jpg");
  if (box) form.append("box", box);
  const signal = timeLimit(PATIENCE + file.size / SLOW_UPLOAD);
  return localSighting(await ask("api/search", { method: "POST", body: form, signal }));
}
