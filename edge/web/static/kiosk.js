// A kiosk that is left alone with visitors: they get no menu, no selection and no files. Staff, who
// have no address bar there, hold the shop's name for a while.

import { isKiosk } from "./dom.js";

const HELD = 2_000; // ms
const { kiosk } = document.documentElement.dataset;

export function leadStaff(brand) {
  if (!isKiosk) return;
  let held = 0;
  brand.addEventListener("pointerdown", () => {
    held = setTimeout(() => location.assign(kiosk === "everywhere" ? "staff?kiosk" : "staff"), HELD);
  });
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
    brand.addEventListener(end, () => clearTimeout(held));
  }
}

export function lockDown() {
  if (!isKiosk) return;
  document.documentElement.classList.add("kiosk");
  for (const way of ["contextmenu", "dragstart", "selectstart"]) {
    document.addEventListener(way, (event) => {
      if (event.target.tagName !== "INPUT") event.preventDefault();
    });
  }
}
