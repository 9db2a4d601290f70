// Style sheets that only some views need.

import { make } from "./dom.js";

const styles = new Map(); // the promise of each sheet that is there or on its way

// Load a style sheet that some views need, once; the promise ends when it is there, or cannot come.
// One that could not come is loaded anew by the next call.
export function loadStyles(name) {
  if (!styles.has(name)) styles.set(name, new Promise((done) => addSheet(name, done)));
  return styles.get(name);
}

function addSheet(name, done) {
  const sheet = make("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL(name, import.meta.url).href;
  sheet.onload = done;
  sheet.onerror = () => {
    sheet.remove();
    styles.delete(name);
    done();
  };
  document.head.append(sheet);
}
