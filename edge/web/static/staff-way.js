// The way to the staff's area from a kiosk, which has no address bar: hold the shop's name.

import { byId } from "./dom.js";

const HELD = 2_000; // ms

let held = 0;
byId("brand").addEventListener("pointerdown", () => {
  held = setTimeout(() => location.assign(`staff${location.search}`), HELD);
});
for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
  byId("brand").addEventListener(end, () => clearTimeout(held));
}
