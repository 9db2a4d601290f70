// A visitor's photo in the place of the live picture, with a box around the part that is searched.
// It can be moved and resized; a tap beside it chooses another thing. Other things that the device
// found have outlines.

import { make } from "./dom.js";
import { loadStyles } from "./late.js";
import { say } from "./words.js";

// Show a photo over `frame`; see PhotoBox.
export async function boxed(frame, file, onChoice) {
  await loadStyles("photo-box.css");
  return new PhotoBox(frame, file, onChoice);
}

const LEAST = 0.1; // least side of the box, as a share of the photo's
const AROUND = 0.5; // side of the box around a tap
const STEP = 0.05; // of a key
const PAUSE = 500; // ms after the last key until it is searched
const CORNERS = ["nw", "ne", "sw", "se"];

class PhotoBox {
  #photo = make("img");
  #box = make("div", "photo-part");
  #fit = make("div", "photo-fit", this.#photo, this.#box);
  #whole = make("div", "photo-box", this.#fit);
  #area = { left: 0, top: 0, right: 1, bottom: 1 };
  #watching;
  #onChoice;
  #typing = 0;
  #loaded;

  // onChoice(box) is called with the part that was chosen, in pixels of the photo.
  constructor(frame, file, onChoice) {
    this.#onChoice = onChoice;
    this.#photo.alt = "";
    this.#photo.draggable = false;
    this.#loaded = new Promise((done) => this.#photo.addEventListener("load", done, { once: true }));
    this.#photo.addEventListener("load", () => this.#place());
    this.#photo.addEventListener("error", () => this.remove()); // a format that this browser lacks
    const reader = new FileReader();
    reader.addEventListener("load", () => (this.#photo.src = reader.result));
    reader.readAsDataURL(file);
    this.#box.tabIndex = 0;
    this.#box.setAttribute("role", "application");
    this.#box.setAttribute("aria-label", say("The part of your photo that is searched; move it by the arrow keys"));
    for (const corner of CORNERS) this.#box.append(make("span", `corner ${corner}`));
    this.#fit.addEventListener("pointerdown", (event) => this.#grasp(event));
    this.#box.addEventListener("keydown", (event) => this.#moveByKey(event));
    this.#watching = new ResizeObserver(() => this.#place());
    this.#watching.observe(frame);
    frame.append(this.#whole);
  }

  remove() {
    clearTimeout(this.#typing);
    this.#watching.disconnect();
    this.#whole.remove();
  }

  // Put the box where the device searched, unless it was moved already, and outline what else it
  // found there.
  async found({ box, boxes = [] }) {
    await this.#loaded;
    if (!this.#isAll()) return;
    if (box) this.#area = this.#shares(box);
    this.#draw();
    for (const other of this.#isAll() ? boxes : boxes.slice(1)) {
      const area = this.#shares(other);
      const outline = make("button", "photo-other");
      outline.type = "button";
      outline.setAttribute("aria-label", say("A thing"));
      outline.addEventListener("click", () => this.#choose(area));
      lay(outline, area);
      this.#box.before(outline);
    }
  }

  // Let the photo fill the frame without being cut.
  #place() {
    const { naturalWidth: width, naturalHeight: height } = this.#photo;
    if (!width) return;
    const scale = Math.min(this.#whole.clientWidth / width, this.#whole.clientHeight / height);
    this.#fit.style.width = `${scale * width}px`;
    this.#fit.style.height = `${scale * height}px`;
    this.#draw();
  }

  #draw() {
    lay(this.#box, this.#area);
  }

  // A box in pixels of the photo, as shares of it.
  #shares({ x, y, width, height }) {
    const { naturalWidth: across, naturalHeight: down } = this.#photo;
    return { left: x / across, top: y / down, right: (x + width) / across, bottom: (y + height) / down };
  }

  // Where a pointer is, as shares of the photo.
  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.#fit.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  }

  // Follow the finger: a corner resizes the box, its inside moves it, the photo beside it is a tap.
  #grasp(event) {
    if (event.target.classList.contains("photo-other")) return; // it is a button
    event.preventDefault();
    const corner = CORNERS.find((name) => event.target.classList.contains(name));
    const isInside = this.#box.contains(event.target);
    const [x, y] = this.#at(event);
    if (!isInside || this.#isAll()) {
      if (!corner) return this.#choose(around(x, y));
    }
    const start = this.#area;
    const follow = (moved) => {
      const [toX, toY] = this.#at(moved);
      this.#area = corner ? resized(start, corner, toX, toY) : shifted(start, toX - x, toY - y);
      this.#draw();
    };
    const letGo = () => {
      this.#fit.removeEventListener("pointermove", follow);
      this.#choose(this.#area);
    };
    this.#fit.setPointerCapture(event.pointerId);
    this.#fit.addEventListener("pointermove", follow);
    this.#fit.addEventListener("pointerup", letGo, { once: true });
  }

  #moveByKey(event) {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    const grows = { "+": STEP, "-": -STEP }[event.key];
    if (!by && !grows) return;
    event.preventDefault();
    const { left, top, right, bottom } = this.#area;
    this.#area = by
      ? shifted(this.#area, ...by)
      : bounded({ left: left - grows, top: top - grows, right: right + grows, bottom: bottom + grows });
    this.#draw();
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#choose(this.#area), PAUSE);
  }

  #isAll() {
    const { left, top, right, bottom } = this.#area;
    return left === 0 && top === 0 && right === 1 && bottom === 1;
  }

  #choose(area) {
    this.#area = area;
    this.#draw();
    const { naturalWidth: width, naturalHeight: height } = this.#photo;
    const [x, y] = [Math.floor(area.left * width), Math.floor(area.top * height)];
    const [toX, toY] = [Math.round(area.right * width), Math.round(area.bottom * height)];
    this.#onChoice([x, y, toX - x, toY - y].join());
  }
}

// Lay an element over an area of the photo.
function lay(element, { left, top, right, bottom }) {
  Object.assign(element.style, {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`,
  });
}

function around(x, y) {
  const half = AROUND / 2;
  const [middleX, middleY] = [clamp(x, half, 1 - half), clamp(y, half, 1 - half)];
  return { left: middleX - half, top: middleY - half, right: middleX + half, bottom: middleY + half };
}

function shifted({ left, top, right, bottom }, x, y) {
  const byX = clamp(x, -left, 1 - right);
  const byY = clamp(y, -top, 1 - bottom);
  return { left: left + byX, top: top + byY, right: right + byX, bottom: bottom + byY };
}

function resized(area, corner, x, y) {
  const { left, top, right, bottom } = area;
  return {
    left: corner.endsWith("w") ? clamp(x, 0, right - LEAST) : left,
    right: corner.endsWith("e") ? clamp(x, left + LEAST, 1) : right,
    top: corner.startsWith("n") ? clamp(y, 0, bottom - LEAST) : top,
    bottom: corner.startsWith("s") ? clamp(y, top + LEAST, 1) : bottom,
  };
}

// An area within the photo, and not too small.
function bounded({ left, top, right, bottom }) {
  if (right - left < LEAST || bottom - top < LEAST) return around((left + right) / 2, (top + bottom) / 2);
  return { left: Math.max(0, left), top: Math.max(0, top), right: Math.min(1, right), bottom: Math.min(1, bottom) };
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}
