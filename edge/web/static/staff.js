// The staff's area: the way in, and the cards behind it.

import { OwnAddress } from "./address.js";
import { byId, isOwnScreen } from "./dom.js";
import { lockDown } from "./kiosk.js";
import { DeviceCard } from "./staff-device.js";
import { StaffLink } from "./staff-link.js";
import { HistoryCard } from "./staff-history.js";
import { LooksCard } from "./staff-looks.js";
import { MissingCard } from "./staff-missing.js";
import { SettingsCard } from "./staff-settings.js";
import { TaughtCard } from "./staff-taught.js";
import { TeachCard } from "./staff-teach.js";
import { refuse } from "./staff-wait.js";
import { inWhole } from "./staff-whole.js";
import { say } from "./words.js";

const SESSION = "api/staff/session";
// Without a touch, as long, the area is left: on the device's own screen a visitor may be next.
const [ENTERED, OUTSIDE] = isOwnScreen ? [5 * 60_000, 60_000] : [30 * 60_000, 0]; // ms

const link = new StaffLink({ onLeft: () => show({ pin_set: true, token: null, encrypted }) });
const taught = new TaughtCard(link);
const address = new OwnAddress();
const cards = [
  new TeachCard(link, { onSaved: () => taught.renew() }),
  new LooksCard(link, { onJudged: () => taught.renew() }),
  new MissingCard(link),
  taught,
  new HistoryCard(link, { onJudged: () => taught.renew() }),
  new SettingsCard(link),
  new DeviceCard(link),
  address,
];
let setsPin = false;
let encrypted = true;
let untouched = 0;
let returns = false; // whether the page is left only for itself in another language

function complain(error) {
  byId("trouble").textContent = error.message;
  byId("trouble").hidden = false;
}

// Show what the session allows: the way in, or the cards.
function show(session) {
  const entered = session.token !== null;
  encrypted = session.encrypted;
  setsPin = !session.pin_set && session.may_set_pin;
  byId("trouble").hidden = true;
  byId("leave").hidden = !entered;
  byId("ways").hidden = !entered;
  byId("enter").hidden = entered;
  byId("enter-plain").hidden = session.encrypted || location.protocol === "https:";
  byId("enter-title").textContent = setsPin ? say("Choose a PIN") : say("Enter the PIN");
  byId("enter-words").replaceChildren(...inWhole(enterWords(session)));
  byId("pin").autocomplete = setsPin ? "new-password" : "current-password";
  byId("pin").type = setsPin ? "text" : "password"; // what is chosen must be seen, for it is asked for once
  for (const card of cards) card.show(entered);
  if (!entered) byId("pin").focus();
  stay();
}

function stay() {
  clearTimeout(untouched);
  const patience = link.entered ? ENTERED : OUTSIDE;
  if (patience) untouched = setTimeout(leaveAlone, patience);
}

// Nothing stays on the screen, also while the device does not answer.
function signOut() {
  link.leave(SESSION);
}

function leaveAlone() {
  signOut();
  if (isOwnScreen) location.assign(byId("brand").firstElementChild.href);
}

function enterWords(session) {
  if (setsPin) return say("Six to twelve digits. With it the staff teach this device and look after it.");
  if (session.pin_set) return say("With it the staff teach this device and look after it.");
  return isOwnScreen
    ? say("No PIN is set yet. Set it on the device itself: run “visual-search edge pin”.")
    : say("No PIN is set yet. Set it on the device itself: open http://localhost there, or run “visual-search edge pin”.");
}

byId("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  refuse(null);
  const pin = byId("pin").value;
  byId("pin").value = ""; // at once, or the answer would take what is typed meanwhile
  try {
    show(await link.session("POST", setsPin ? "api/staff/pin" : SESSION, { pin }));
  } catch (error) {
    refuse(error);
  }
  byId("pin").focus();
});

byId("language").addEventListener("change", (event) => {
  returns = true;
  const own = new URL(location.href);
  own.searchParams.set("lang", event.target.value);
  location.assign(own);
});

byId("leave").addEventListener("click", signOut);

for (const sign of ["pointerdown", "keydown", "input"]) document.addEventListener(sign, stay, { passive: true });

// However the area is left, on the device's own screen a visitor may be next.
addEventListener("pagehide", () => isOwnScreen && !returns && link.leave(SESSION));

lockDown();
address.start(true);
link.session("GET", SESSION).then(show, complain);
