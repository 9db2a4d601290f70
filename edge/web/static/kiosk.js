// A kiosk that is left alone with visitors: they get no menu, no selection and no files.

import { isKiosk } from "./dom.js";

export function lockDown() {
  if (!isKiosk) return;
  document.documentElement.classList.add("kiosk");
  for (const way of ["contextmenu", "dragstart", "selectstart"]) {
    document.addEventListener(way, (event) => {
      if (event.target.tagName !== "INPUT") event.preventDefault();
    });
  }
}
