// Connects the page with the device's state and with a visitor's searches.

import { OwnAddress } from "./address.js";
import { Panel, foundView, itemView, sentenceView, sightingView, textButton } from "./answer.js";
import { stayAwake } from "./awake.js";
import { byId, isOwnScreen, make } from "./dom.js";
import { LivePicture } from "./picture.js";
import { MOST_FOUND, fetchItem, fetchStatus, findItems, searchPhoto } from "./search.js";
import { SharedLink } from "./windows.js";
import { STAGES, capitalized, catalogueName, clock, spokenVerdict } from "./words.js";

const BACK_AFTER = 90_000; // ms without input until the page shows the camera's answer again
const TYPING_PAUSE = 250;
const HINTS = {
  online: "Hold one thing at a time, a hand’s breadth away, and keep it still for a moment.",
  offline: "Check its cable. The picture returns by itself.",
};

const panel = new Panel(byId("panel"));
const address = new OwnAddress();
let state = null;
let clockDifference = 0;
let named; // the bundle whose name the status line shows
let shown = ""; // identifies the state that the panel shows
let searching = false; // a visitor's result is in the panel
let asked = new AbortController();
let typing = 0;
let leaving = 0;
let looking = null; // the question with a photo that has no answer yet

// the camera's picture

const picture = new LivePicture(byId("picture"), {
  onLive(live) {
    byId("picture").hidden = !live;
    byId("frame-note").hidden = live;
  },
  onSize(width, height) {
    byId("frame").style.aspectRatio = `${width} / ${height}`;
  },
});

function showCamera(camera) {
  const words = {
    offline: `Camera offline since ${clock(deviceTime(camera.since))}`,
    starting: "The camera is starting…",
    online: "Waiting for the picture…",
  };
  const note = [words[camera.state]];
  if (camera.state === "offline" && camera.message) note.push(make("small", "", camera.message));
  byId("frame-note").replaceChildren(...note);
  byId("status-camera").textContent = { online: "Camera on", offline: "Camera offline" }[camera.state] ?? words[camera.state];
  byId("light").classList.toggle("on", camera.state === "online");
  if (camera.state === "online" && !document.hidden) picture.start();
  else picture.stop();
}

// A visitor's clock and the device's may differ.
function deviceTime(text) {
  return Date.parse(text) + clockDifference;
}

// the state

const link = new SharedLink({
  onReach(reached) {
    byId("banner").hidden = reached;
    if (reached) {
      picture.stop(); // the next state starts it at once, without a pause
    } else {
      byId("light").classList.remove("on");
      byId("status-camera").textContent = "Not connected";
    }
  },
  onState(next) {
    state = next;
    clockDifference = Date.now() - Date.parse(next.now);
    if (reloadForUpdate(next.page)) return;
    showCamera(next.camera);
    showStatus();
    if (!searching) showLive();
  },
});

function showStatus() {
  if (state.bundle !== named) nameCatalogue(state.bundle);
  const live = state.camera.state === "online";
  const seen = live && state.sighting && state.sighting.verdict !== "nothing";
  byId("status-when").textContent = seen ? `Seen ${clock(deviceTime(state.sighting.at))}` : "";
}

async function nameCatalogue(bundle) {
  named = bundle;
  let title = "";
  try {
    title = (await fetchStatus()).catalogue?.title ?? "";
  } catch {
    // the day alone is shown
  }
  if (named === bundle) byId("status-catalogue").textContent = catalogueName(bundle, title);
}

function showLive() {
  const { camera, sighting, waiting } = state;
  const key = `${camera.state === "offline"} ${sighting?.id} ${waiting}`;
  if (key === shown) return;
  shown = key;
  address.show(!waiting && camera.state !== "offline" && (sighting?.verdict ?? "nothing") === "nothing");
  if (waiting) {
    panel.show(sentenceView("turn", "Waiting for a catalogue", `${capitalized(waiting)}.`));
    showLook(null);
    speak(waiting.replace(/\d+ %/, "")); // not each percent
    return;
  }
  if (camera.state === "offline") {
    const advice = ["You can still ", textButton("search by name", askForName), "."];
    panel.show(sentenceView("away", "No picture from the camera", ...advice));
    showLook(null);
    speak("The camera is offline.");
    return;
  }
  panel.show(sightingView(sighting, openItem, askForName));
  showLook(sighting);
  showTimings(sighting);
  speak(sighting ? spokenVerdict(sighting) : "");
}

function showLook(sighting) {
  const figure = byId("look");
  if (sighting?.look) byId("look-picture").src = sighting.look;
  figure.hidden = !sighting?.look;
  const hint = HINTS[state?.camera.state];
  byId("hint").textContent = hint ?? "";
  byId("hint").hidden = !figure.hidden || !hint;
}

function showTimings(sighting) {
  const list = byId("timings-list");
  list.replaceChildren();
  for (const [stage, words] of Object.entries(STAGES)) {
    const spent = sighting?.timings?.[stage];
    list.append(make("dt", "", words), make("dd", "", spent === undefined ? "–" : `${spent.toFixed(1)} ms`));
  }
}

function speak(words) {
  byId("spoken").textContent = words;
}

// After an update of the device an open page fetches its new files, once.
function reloadForUpdate(page) {
  const own = document.documentElement.dataset.page;
  if (!page || page === own || searching) return false;
  if (sessionStorage.getItem("reloaded-for") === page) return false;
  sessionStorage.setItem("reloaded-for", page);
  location.reload();
  return true;
}

// a visitor's searches

function showResult(words, view, spoken) {
  searching = true;
  address.show(false);
  byId("result-words").textContent = words;
  byId("result-bar").hidden = false;
  panel.show(view);
  speak(spoken ?? words);
  waitForLeaving();
}

function backToLive() {
  if (!searching) return;
  asked.abort();
  searching = false;
  shown = "";
  byId("result-bar").hidden = true;
  byId("words").value = "";
  if (state) showLive();
  else panel.show(sightingView(null, openItem, askForName));
}

function askForName() {
  byId("words").focus();
}

function waitForLeaving() {
  clearTimeout(leaving);
  if (searching && looking !== asked.signal) leaving = setTimeout(backToLive, BACK_AFTER);
}

function newQuestion() {
  asked.abort();
  asked = new AbortController();
  return asked.signal;
}

async function findByName(text) {
  const signal = newQuestion();
  if (!text) {
    backToLive();
    return;
  }
  try {
    const { items } = await findItems(text, signal);
    if (signal.aborted) return;
    showLook(null);
    if (items.length === 1) await openItem(items[0], `Found for “${text}”`);
    else if (items.length) {
      const words = items.length < MOST_FOUND ? `${items.length} found` : `The first ${MOST_FOUND}`;
      showResult(`${words} for “${text}”`, foundView(items, openItem));
    } else {
      const view = sentenceView("turn", "Nothing by that name", "Try another word, or fewer.");
      showResult(`Nothing found for “${text}”`, view);
    }
  } catch (error) {
    if (!signal.aborted) showFailure(error);
  }
}

async function openItem(item, words = "From the catalogue") {
  const signal = newQuestion();
  let whole = item;
  try {
    whole = await fetchItem(item.sku);
  } catch {
    // the fields that are already known are shown
  }
  if (!signal.aborted) showResult(words, itemView(whole), whole.title);
}

async function searchWith(file) {
  const signal = newQuestion();
  looking = signal;
  showResult("Your photo", sentenceView("hold", "Looking…"));
  try {
    const sighting = await searchPhoto(file);
    if (signal.aborted) return;
    looking = null;
    const nothing = ["I see nothing in this photo", "Take it closer, on a plain ground."];
    const view =
      sighting.verdict === "nothing"
        ? sentenceView("turn", ...nothing)
        : sightingView(sighting, openItem, askForName);
    showResult("Your photo", view, spokenVerdict(sighting));
    showLook(sighting);
    showTimings(sighting);
  } catch (error) {
    if (signal.aborted) return;
    looking = null;
    showFailure(error);
  }
}

function showFailure(error) {
  showResult("No result", sentenceView("turn", "That did not work", error.message), error.message);
}

byId("look-picture").addEventListener("error", () => showLook(null));

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  findByName(byId("words").value.trim());
});

byId("words").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => findByName(byId("words").value.trim()), TYPING_PAUSE);
});

for (const input of ["photo", "taken"]) {
  byId(input).addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same photo may be chosen again
    if (file) searchWith(file);
  });
}

// A phone can take a photo, too.
if (!isOwnScreen && matchMedia("(pointer: coarse)").matches) {
  byId("take-button").hidden = false;
  byId("choose-words").textContent = "Choose a photo";
}

byId("back").addEventListener("click", () => {
  backToLive();
  byId("answer").focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") backToLive();
});

for (const sign of ["pointerdown", "keydown", "wheel"]) {
  document.addEventListener(sign, waitForLeaving, { passive: true });
}

// A hidden page closes its streams, because a browser has only six connections to one device.
function followVisibility() {
  if (document.hidden) {
    link.close();
    picture.stop();
  } else {
    link.open();
    stayAwake();
  }
}

document.addEventListener("visibilitychange", followVisibility);
window.addEventListener("pagehide", () => {
  link.close();
  picture.stop();
});
window.addEventListener("pageshow", followVisibility);

panel.show(sightingView(null, openItem, askForName));
showTimings(null);
address.start();
followVisibility();
document.documentElement.dataset.started = ""; // see outdated.js
