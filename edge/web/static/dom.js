// Builds the page's elements. Text is always inserted as text, never as markup.

export function byId(id) {
  return document.getElementById(id);
}

// Whether the page is on the device's own screen, a kiosk's, and not in a visitor's browser.
export const isOwnScreen = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);

// Whether visitors must not leave the page: everywhere, or on the device's own screen.
const { kiosk } = document.documentElement.dataset;
export const isKiosk = kiosk === "everywhere" || (kiosk === "own-screen" && isOwnScreen);

// An element with a class and children; strings among the children become text.
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

// Make an element with words of the catalogue, which may be written from the right to the left.
export function text(tag, className, words) {
  const element = make(tag, className, words);
  element.dir = "auto";
  return element;
}

const DRAWINGS = {
  place: ["M12 21s7-6.5 7-11.5a7 7 0 0 0-14 0C5 14.5 12 21 12 21z", "M12 7.2v0a2.3 2.3 0 1 0 .01 0z"],
  hold: ["M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3", "M12 8.5v0a3.5 3.5 0 1 0 .01 0z"],
  turn: ["M5 12a7 7 0 0 1 12-4.9L19 9M19 4.5V9h-4.5", "M19 12a7 7 0 0 1-12 4.9L5 15M5 19.5V15h4.5"],
  link: ["M9.5 14.5l5-5M8 11l-2.5 2.5a3.5 3.5 0 0 0 5 5L13 16M16 13l2.5-2.5a3.5 3.5 0 0 0-5-5L11 8", "M3 3l18 18"],
  away: ["M4 8h3.2l1.6-2.4h6.4L16.8 8H20a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H8M5 19H4a1 1 0 0 1-1-1V9a1 1 0 0 1 .5-.9", "M3 3l18 18"],
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const line of DRAWINGS[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

export function wait(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

// Load a script that is not needed at once; a device that is away is asked again.
export function late(load) {
  return load().catch(() => wait(10_000).then(() => late(load)));
}

// A signal that aborts after a time; AbortSignal.timeout is too new for some browsers.
export function timeLimit(milliseconds) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}

// Vary a delay, so that many pages do not act at the same moment.
export function jitter(milliseconds) {
  return milliseconds * (0.75 + Math.random() / 2);
}
