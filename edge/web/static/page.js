// Connects the page with the device's state and with a visitor's wishes.

import { byId, isOwnScreen, make } from "./dom.js";
import { late, sometime } from "./late.js";
import { lockDown } from "./kiosk.js";
import { LiveAnswer } from "./live.js";
import { Panel } from "./panel.js";
import { LivePicture } from "./picture.js";
import { Visit } from "./visit.js";
import { SharedLink } from "./windows.js";
import { WORDS_DUE, clock, localSighting, ownWords, say } from "./words.js";

const TYPING_PAUSE = 250;
const LATER = 5_000; // ms until that is fetched which the first answer does not need
const PICTURE_DUE = 3_000; // ms until a camera without a picture does not count as on

const panel = new Panel(byId("panel"));
const visit = new Visit({
  panel,
  askForName,
  canFind: () => live.situation !== "waiting",
  onShow(spoken, sighting) {
    address?.show(false);
    draw(null);
    tell(sighting, spoken);
  },
  onBack() {
    forgetItem();
    live.leave();
    live.show();
    followVisitor();
  },
});
const live = new LiveAnswer({
  panel,
  draw,
  open: visit.open,
  askForName,
  onShow(situation, sighting, spoken) {
    address?.show(situation === "idle");
    if (situation === "seen") later?.wake();
    tell(sighting, spoken);
  },
});

// Only the device's own screen says where phones find it.
let address = null;
if (isOwnScreen) sometime("address.js", showAddress);

function showAddress({ OwnAddress }) {
  address = new OwnAddress();
  address.start();
  address.show(!visit.hasResult && live.situation === "idle");
}

let later = null; // what the first answer does not need
setTimeout(() => sometime("later.js", showMore), LATER);

function showMore({ Later }) {
  later = new Later(visit, live);
  if (state && isReached) showStatus();
  later.time(timed);
  followVisitor();
}

let state = null;
let isReached = true;
let clockDifference = 0;
let typing = 0;
let turns = 0; // states that came
let heard = 0; // the turn of the one that is shown
let timed = null; // the sighting whose timings can be shown
let pictureDue = 0;
let isPictureLate = false;

function followVisitor() {
  later?.follow(!visit.hasResult && ["idle", "attract"].includes(live.situation));
}

// the camera's picture

const picture = new LivePicture(byId("picture"), {
  onLive(isLive) {
    byId("picture").hidden = !isLive;
    byId("frame-note").hidden = isLive;
    if (isLive) clearTimeout(pictureDue);
    if (isLive) pictureDue = 0;
    else if (!pictureDue) pictureDue = setTimeout(() => showPictureLate(true), PICTURE_DUE);
    if (isLive && isPictureLate) showPictureLate(false);
  },
  onSize(width, height) {
    byId("frame").style.aspectRatio = `${width} / ${height}`;
  },
  onThing(thing) {
    byId("answer").classList.toggle("is-looking", thing?.isLooking ?? false);
    live.look(thing?.isLooking ?? false);
    if (!visit.hasResult) live.show();
    // the panel says it, too, where nothing else is in it
    byId("looking").hidden = !thing?.isLooking || (live.situation === "looking" && !visit.hasResult);
  },
});

// Draw several things over the picture; null for none.
function draw(more) {
  picture.add(more);
  byId("look").classList.toggle("among-several", Boolean(more));
}

function showPictureLate(isLate) {
  isPictureLate = isLate;
  if (state && isReached) showCamera(state.camera);
}

function showCamera(camera) {
  const words = {
    offline: say("Camera offline since {time}", { time: clock(deviceTime(camera.since)) }),
    starting: say("The camera is starting…"),
    online: say("Waiting for the picture…"),
  };
  const note = [words[camera.state]];
  // A reason without words of the page is for whoever installs the camera.
  if (camera.state === "offline" && camera.words) note.push(make("small", "", camera.message));
  byId("frame-note").replaceChildren(...note);
  const isOn = camera.state === "online" && !isPictureLate;
  const on = camera.message || say("Camera on");
  const short = { online: isOn ? on : words.online, offline: say("Camera offline") };
  byId("status-camera").textContent = short[camera.state] ?? words[camera.state];
  byId("status-camera").dir = isOn && camera.message && !camera.isTold ? "auto" : "";
  byId("light").classList.toggle("on", isOn);
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
    isReached = reached;
    live.reach(reached);
    allowSearch();
    byId("banner").hidden = reached;
    picture.stop(); // what it shows is old; the next state starts it at once
    if (reached) return;
    heard = ++turns; // a state that still waits for its words is old
    byId("light").classList.remove("on");
    byId("status-camera").dir = "";
    byId("status-camera").textContent = say("Not connected");
    for (const id of ["frame-note", "status-when"]) byId(id).textContent = "";
    later?.hear(null);
    if (!visit.hasResult) live.show();
  },
  async onState(arrived) {
    const turn = ++turns;
    const progress = arrived.waiting ? await progressOf(arrived) : "";
    const message = await ownWords(arrived.camera.message, arrived.camera.words);
    if (turn < heard) return;
    heard = turn;
    const camera = { ...arrived.camera, message, isTold: message !== arrived.camera.message };
    hear({ ...arrived, progress, camera });
  },
});

// Nothing can be searched without the device or its catalogue.
function allowSearch() {
  const cannot = ["unreached", "waiting"].includes(live.situation);
  document.body.classList.toggle("is-away", cannot);
  byId("words").readOnly = cannot;
  byId("words").setAttribute("aria-disabled", cannot);
  for (const input of ["photo", "taken"]) byId(input).disabled = cannot;
}

// How far a device without a catalogue is; empty where that does not concern visitors.
function progressOf(state) {
  return late("progress.js", WORDS_DUE).then(({ progress }) => progress(state)).catch(() => "");
}

function hear(arrived) {
  const next = { ...arrived, sighting: arrived.sighting && localSighting(arrived.sighting) };
  state = next;
  clockDifference = Date.now() - Date.parse(next.now);
  live.update(next);
  allowSearch();
  showCamera(next.camera);
  showStatus();
  showHint();
  if (next.camera.state === "online") visit.hear(live.situation === "seen" ? next.sighting : null);
  if (visit.hasResult) return;
  live.show();
  reloadForUpdate(next.page);
}

// After an update of the device an open page fetches its new files, once. This is no late script:
// new ones may not fit to old ones.
function reloadForUpdate(page) {
  if (!page || page === document.documentElement.dataset.page) return;
  if (sessionStorage.getItem("reloaded-for") === page) return;
  sessionStorage.setItem("reloaded-for", page);
  location.reload();
}

function showStatus() {
  later?.hear(state);
  const time = live.situation === "seen" ? clock(deviceTime(state.sighting.at)) : "";
  byId("status-when").textContent = time ? say("Seen {time}", { time }) : "";
}

function showLook(sighting) {
  const figure = byId("look");
  if (sighting?.look) byId("look-picture").src = sighting.look;
  figure.hidden = !sighting?.look;
  showHint();
}

function showHint() {
  const isDue = state?.camera.state === "online" && ["idle", "attract"].includes(live.situation);
  byId("hint").hidden = !byId("look").hidden || !isDue;
}

// What goes with a view in the panel; `sighting` is null where it is of none.
function tell(sighting, spoken) {
  showLook(sighting);
  byId("spoken").textContent = spoken;
  timed = sighting ?? timed;
  later?.time(timed);
  followVisitor();
}

// a visitor's wishes

function askForName() {
  byId("words").focus();
}

function findByName() {
  clearTimeout(typing);
  visit.find(byId("words").value.trim());
}

byId("look-picture").addEventListener("error", () => showLook(null));

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  findByName();
});

byId("words").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(findByName, TYPING_PAUSE);
});

for (const input of ["photo", "taken"]) {
  byId(input).addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same photo may be chosen again
    if (file) visit.searchWith(file);
  });
}

function somebodyIsThere({ type }) {
  visit.stay();
  if (type !== "pointerdown") later?.stay(); // else the item that is touched would be gone
}

byId("language").addEventListener("change", (event) => {
  const own = new URL(location.href);
  own.searchParams.set("lang", event.target.value);
  own.searchParams.set("item", visit.sku); // it stays open
  location.assign(own);
});

// An item that was left is not opened again by a reload.
function forgetItem() {
  const own = new URL(location.href);
  if (!own.searchParams.has("item")) return;
  own.searchParams.delete("item");
  history.replaceState(null, "", own);
}

// A phone can take a photo, too.
if (!isOwnScreen && matchMedia("(pointer: coarse)").matches) {
  byId("take-button").hidden = false;
  byId("choose-words").textContent = say("Choose a photo");
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") visit.back();
});

for (const sign of ["pointerdown", "click", "keydown", "input", "wheel"]) {
  document.addEventListener(sign, somebodyIsThere, { passive: true });
}

// A hidden page closes its streams: a browser has only six connections to one device.
function followVisibility() {
  if (document.hidden) {
    link.close();
    picture.stop();
  } else {
    link.open();
  }
}

document.addEventListener("visibilitychange", followVisibility);
window.addEventListener("pagehide", () => {
  link.close();
  picture.stop();
});
window.addEventListener("pageshow", followVisibility);

lockDown();
live.show();
const wanted = new URLSearchParams(location.search).get("item"); // by an item's QR code
if (wanted) visit.open({ sku: wanted }, say("From the catalogue"));
followVisibility();
document.documentElement.dataset.started = ""; // see outdated.js
