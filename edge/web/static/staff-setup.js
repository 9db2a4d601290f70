// The setup of a fresh device: the first PIN, then camera, names, catalogue and reports.

import { byId, make, text } from "./dom.js";
import { OwnerCode } from "./staff-code.js";
import { finish } from "./staff-finished.js";
import { StaffLink } from "./staff-link.js";
import { refuse } from "./staff-wait.js";
import { asSentence } from "./sentence.js";
import { ownWords, say, sayParts } from "./words.js";

const SESSION = "api/staff/session";
const SETUP = "api/staff/setup";
const PATIENCE = 60 * 60_000; // ms; a catalogue is built, and checked before it is used
const DEMONSTRATION = "demonstration";
const FILLING = 30 * 60_000; // ms after the last input, while the session is kept
const LANGUAGES = { "": say("The browser’s"), en: "English", de: "Deutsch", fr: "Français", es: "Español", zh: "中文", ja: "日本語", ar: "العربية" };

const link = new StaffLink({ onLeft: () => location.reload() });
let settings = {};
let setsPin = false;
let reportsBefore = "";
let currentCamera = "";
let inputAt = Date.now();

const ownerCode = new OwnerCode(link, () => pictureOf(cameraChosen(), 1280), (read) => {
  byId("source").value = read["sync.source"];
  byId("root").value = "";
  byId("root-name").textContent = "";
});

function complain(id, error) {
  byId(id).textContent = error.message;
  byId(id).hidden = false;
}

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, words]) => {
    const option = make("option", "", words);
    option.value = value;
    option.selected = value === chosen;
    return option;
  }));
}

// Show the way in, or the choices.
async function show(session) {
  const entered = session.token !== null;
  setsPin = !session.pin_set;
  byId("trouble").hidden = true;
  byId("enter").hidden = entered;
  byId("code-row").hidden = !session.takes_code;
  byId("enter-title").textContent = setsPin ? say("Choose a PIN") : say("Enter the PIN");
  byId("enter-words").textContent = setsPin
    ? say("Six to twelve digits. With it the staff teach this device and look after it.")
    : say("With it the staff teach this device and look after it.");
  if (entered) await draw(await link.ask("GET", SETUP));
  else byId("pin").focus();
}

async function draw({ cameras: found, catalogues, settings: all }) {
  const cameras = await Promise.all(found.map(inOwnWords));
  settings = Object.fromEntries(all.map(({ name, value }) => [name, value]));
  const isDefault = settings["edge.camera"] === "/dev/video0" && !cameras.some(({ current }) => current);
  currentCamera = cameras.find(({ current }) => current)?.source ?? "";
  byId("cameras").replaceChildren(...cameras.map((each, index) => camera(each, index === 0 && isDefault)));
  byId("other-camera").value = cameras.length ? "" : settings["edge.camera"];
  byId("shop").value = settings["page.name"];
  options(byId("spoken"), Object.entries(LANGUAGES), settings["page.language"]);
  byId("screen").checked = settings["edge.kiosk"];
  byId("lan").checked = settings["edge.lan"];
  byId("name").value = settings["edge.name"];
  const onSticks = catalogues.map((folder) => [folder, say("from the stick: {folder}", { folder })]);
  const places = [["", say("later")], ...onSticks, ["address", say("from an address")], [DEMONSTRATION, say("from the demonstration: drawn goods, to try this device")]];
  const [only = ""] = catalogues.length === 1 ? catalogues : [];
  options(byId("catalogue"), places, settings["sync.source"] ? "address" : only);
  byId("source").value = settings["sync.source"];
  showPlace();
  drawReports(settings["outbox.transport"], settings["outbox.endpoint"]);
  byId("setup").hidden = false;
}

// Where reports go; what the settings say already stays among the choices.
function drawReports(transport, endpoint) {
  const reports = byId("reports");
  const isOwn = endpoint !== "" || !["auto", "none", "file"].includes(transport);
  if (isOwn && transport !== "none") {
    const own = make("option", "", endpoint || transport);
    own.value = transport;
    reports.prepend(own);
  }
  reports.value = isOwn || transport === "file" ? transport : "none";
  reportsBefore = reports.value;
}

// A camera whose trouble is a sentence in the page's language.
async function inOwnWords({ problem, words, ...camera }) {
  return { ...camera, problem: problem && asSentence(await ownWords(problem, words)) };
}

// A path, whose lines break behind its strokes; it runs from the left to the right in each language.
function pathOf(source) {
  const parts = source.split("/").flatMap((part, index) => (index ? ["/", make("wbr"), part] : [part]));
  const path = make("span", "soft", ...parts);
  path.dir = "ltr";
  return path;
}

// A camera with its picture, which comes when the camera has one.
function camera({ source, name, problem, current }, isFirstChoice) {
  const radio = make("input");
  radio.type = "radio";
  radio.name = "camera";
  radio.value = source;
  radio.checked = current || (isFirstChoice && !problem);
  radio.disabled = Boolean(problem) && !current;
  const words = make("span", "", text("span", "", name), pathOf(source));
  const label = make("label", radio.disabled ? "away" : "", radio, words);
  const none = text("p", "none", problem || say("No picture comes from the camera."));
  if (problem) label.append(none);
  if (radio.disabled) return make("li", "", label);
  const picture = make("img");
  picture.alt = "";
  picture.src = pictureOf(source);
  picture.addEventListener("error", () => {
    picture.replaceWith(...(problem ? [] : [none]));
    if (!problem) tellWhy(picture.src, none);
  });
  label.append(picture);
  return make("li", "", label);
}

// Say why a camera gives no picture, where the device knows.
async function tellWhy(address, none) {
  const answer = await fetch(address, { cache: "no-store" }).catch(() => ({ ok: true }));
  const { detail, words } = answer.ok || answer.status === 401 ? {} : await answer.json().catch(() => ({}));
  if (detail) none.textContent = asSentence(await ownWords(detail, words));
}

function cameraChosen() {
  const chosen = document.querySelector("input[name=camera]:checked");
  return byId("other-camera").value.trim() || chosen?.value || settings["edge.camera"];
}

// Where a picture of a camera comes from: of the one that the device looks through, as the device sees it.
function pictureOf(source, width = 320) {
  const isCurrent = [settings["edge.camera"], currentCamera].includes(source);
  return isCurrent ? `camera.jpg?width=${width}` : `${SETUP}/camera.jpg?camera=${encodeURIComponent(source)}&width=${width}`;
}

async function answers() {
  const place = byId("catalogue").value;
  const [root] = byId("root").files;
  const wanted = {
    "edge.camera": cameraChosen(),
    "edge.lan": byId("lan").checked,
    "edge.name": byId("name").value.trim(),
    "edge.kiosk": byId("screen").checked,
    "page.name": byId("shop").value.trim(),
    "page.language": byId("spoken").value,
  };
  if (byId("reports").value !== reportsBefore) wanted["outbox.transport"] = byId("reports").value;
  Object.assign(wanted, place === "address" ? ownerCode.settings : {});
  wanted["sync.source"] = place === "address" ? byId("source").value.trim() : "";
  return {
    settings: wanted,
    catalogue: place === "address" ? "" : place,
    root: place === "address" && root ? await root.text() : "",
  };
}

function showPlace() {
  const place = byId("catalogue").value;
  for (const row of document.querySelectorAll(".elsewhere")) row.hidden = place !== "address";
  byId("source").required = place === "address";
  const command = text("code", "", "sudo visual-search setup");
  const words = place === DEMONSTRATION
    ? sayParts("Without a camera, simulated:6 as its address shows these goods. Your own catalogue takes their place by {command}.", { command })
    : [];
  byId("drawn").replaceChildren(...words);
}

byId("catalogue").addEventListener("change", showPlace);

byId("root").addEventListener("change", ({ target }) => {
  byId("root-name").textContent = target.files[0]?.name ?? "";
  ownerCode.remove();
});

byId("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  refuse(null);
  const content = { pin: byId("pin").value };
  if (!byId("code-row").hidden) content.code = byId("code").value;
  try {
    await show(await link.session("POST", setsPin ? "api/staff/pin" : SESSION, content));
  } catch (error) {
    refuse(error);
  }
});

byId("setup").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("setup-wrong").hidden = true;
  byId("apply").disabled = true;
  byId("working").hidden = false;
  try {
    finish(await link.ask("POST", SETUP, await answers(), PATIENCE));
  } catch (error) {
    complain("setup-wrong", error);
  }
  byId("apply").disabled = false;
  byId("working").hidden = true;
});

byId("language").addEventListener("change", (event) => {
  const own = new URL(location.href);
  own.searchParams.set("lang", event.target.value);
  location.assign(own);
});

// On the device's own screen an unused session ends sooner than a form is filled in.
document.addEventListener("input", () => (inputAt = Date.now()));
setInterval(() => {
  if (link.entered && Date.now() - inputAt < FILLING) link.ask("GET", SESSION).catch(() => {});
}, 60_000);

link.session("GET", SESSION).then(show).catch((error) => complain("trouble", error));
