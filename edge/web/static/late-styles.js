// Style sheets that only some views need.

import { make } from "./dom.js";

const PATIENCE = 1_000; // ms until a view is shown without its sheet

const styles = new Map(); // the promise of each sheet that is there or on its way

// Load a style sheet that some views need, once; the promise ends when it is there, or does not
// come in time. One that did not come is loaded anew by the next call.
export function load(name) {
  if (!styles.has(name)) styles.set(name, new Promise((done) => addSheet(name, done)));
  return styles.get(name);
}

function addSheet(name, done) {
  const sheet = make("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL(name, import.meta.url).href;
  const giveUp = () => {
    sheet.remove();
    styles.delete(name);
    done();
  };
  const impatience = setTimeout(giveUp, PATIENCE);
  sheet.onload = () => {
    clearTimeout(impatience);
    done();
  };
  sheet.onerror = () => {
    clearTimeout(impatience);
    giveUp();
  };
  document.head.append(sheet);
}
