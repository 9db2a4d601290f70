// The end of the setup: what is still to be done, whether the device works now, and its label.

import { byId, text, timeLimit } from "./dom.js";
import { ownWords, say } from "./words.js";

const PAUSE = 1_000; // ms between two looks
const RESTART = 90_000; // ms in which the device starts again
const NO_ANSWER = say("The device does not answer. Look whether it is on and in this network.");
const READY = 20_000; // ms in which a device that answers opens camera and catalogue

export function finish({ restarts, command, needs_restart, ...label }) {
  byId("setup").hidden = true;
  byId("finished").hidden = false;
  byId("finished-words").textContent = restarts
    ? say("It starts again now; that takes a moment.")
    : needs_restart ? say("What was changed counts when the device starts again.") : "";
  if (command) {
    byId("finished-command").replaceChildren(say("For catalogues and reports, run this on the device, too:"), " ", text("code", "", command));
    byId("finished-command").hidden = false;
  }
  draw(label);
  byId("finished").focus();
  if (restarts && hasMoved(label.address)) {
    byId("tried").textContent = say("From now on the page is at {address}.", { address: label.address });
    byId("open").href = label.address;
  } else if (restarts || !needs_restart) tryIt(restarts);
}

// Whether the device, once it has started again, no longer answers where this page was opened: the network may not open
// the page any more, or knows it by another name.
function hasMoved(address) {
  const here = location.hostname;
  const there = new URL(address).hostname;
  if (["localhost", "127.0.0.1"].includes(here)) return false;
  return there === "localhost" || (here.endsWith(".local") && here !== there);
}

function draw({ name, address, identity, code }) {
  byId("label-name").textContent = name;
  byId("label-address").textContent = address;
  byId("label-identity").textContent = identity;
  for (const part of ["label-code", "label-address"]) byId(part).hidden = !code;
  byId("label-alone").hidden = Boolean(code);
  if (code) byId("label-code").src = code;
  byId("print").addEventListener("click", () => window.print());
}

// Say whether camera and catalogue are ready, once the device has started again.
async function tryIt(restarts) {
  const began = Date.now();
  byId("tried").textContent = say("The device is being tried…");
  const hasStarted = (status) => !restarts || status.uptime_s * 1_000 < Date.now() - began;
  if (!(await until(RESTART, async () => hasStarted(await (await ask("api/status")).json())))) {
    byId("tried").textContent = NO_ANSWER;
    return;
  }
  let problem = {};
  const isReady = async () => {
    problem = {};
    const answer = await ask("healthz");
    if (!answer.ok) problem = await answer.json();
    return answer.ok;
  };
  // The first catalogue may come as late as its owner's store can be reached: why it is not there is said meanwhile.
  while (!(await until(READY, isReady))) {
    byId("tried").textContent = problem.detail ? await ownWords(problem.detail, problem.words) : NO_ANSWER;
  }
  byId("tried").textContent = say("Tried: the camera and the catalogue are ready.");
}

// Whether something becomes true within so many milliseconds; what fails is tried again.
async function until(patience, isTrue) {
  for (const end = Date.now() + patience; ; ) {
    if (await isTrue().catch(() => false)) return true;
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

function ask(path) {
  return fetch(path, { cache: "no-store", signal: timeLimit(10_000) });
}
