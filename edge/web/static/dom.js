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
  ask: ["M10.5 3.5a7 7 0 1 0 .01 0zM15.6 15.6l5 5", "M8.5 8.9a2 2 0 1 1 3 1.7c-.7.4-1 .8-1 1.4M10.5 14v.01"],
  wait: ["M12 3.5a8.5 8.5 0 1 0 .01 0z", "M12 7.5V12l3 2"],
  link: ["M9.5 14.5l5-5M8 11l-2.5 2.5a3.5 3.5 0 0 0 5 5L13 16M16 13l2.5-2.5a3.5 3.5 0 0 0-5-5L11 8", "M3 3l18 18"],
  away: ["M4 8h3.2l1.6-2.4h6.4L16.8 8H20a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H8M5 19H4a1 1 0 0 1-1-1V9a1 1 0 0 1 .5-.9", "M3 3l18 18"],
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon ${name}`);
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

// What a promise gives, or an error where it takes longer.
export function inTime(promise, milliseconds) {
  return Promise.race([promise, wait(milliseconds).then(() => Promise.reject(new Error("too late")))]);
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
