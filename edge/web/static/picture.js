// The live picture: single JPEGs, each asked for when the one before is drawn. So at most one is
// under way and none is late on a slow link, and the page knows when the last one came.

import { jitter, wait } from "./dom.js";

const WIDTHS = [320, 480, 640, 960]; // pixels; what the device makes
const TURN = 100; // ms from one request to the next
const SLOW = 350; // ms; a picture that takes longer is too large for the link
const QUICK = 120; // ms; a picture that takes less may be larger
const CAUTION = 3_000; // ms of quick pictures, after a slow one, before a larger is tried
const STALE_AFTER = 3_000; // ms; an older picture is not live any more
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8_000;

export class LivePicture {
  #canvas;
  #context;
  #wanted = false;
  #run = 0;
  #controller = null;
  #sequence = -1; // of the picture that is shown
  #lastPicture = 0;
  #proportion = 0;
  #watchdog = 0;
  #step = 1; // the width that the link bears, as a place in WIDTHS
  #caution = 0; // the first pictures find the link's width quickly
  #quickSince = 0;
  #colour;
  #drawMore = null;

  // onLive(boolean) is called with whether the canvas shows what the camera sees now.
  // onSize(width, height) is called when the camera's picture has other proportions.
  // onThing(outline) is called with where the thing lies in the picture; null where none is.
  constructor(canvas, { onLive, onSize, onThing }) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#colour = getComputedStyle(canvas).color;
    this.onLive = onLive;
    this.onSize = onSize;
    this.onThing = onThing;
  }

  // drawMore(context, colour, thing) draws over each picture; null for nothing.
  add(drawMore) {
    this.#drawMore = drawMore;
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#sequence = -1;
    this.#watchdog = setInterval(() => this.#check(), 500);
    this.#keepAsking(++this.#run);
  }

  stop() {
    this.#wanted = false;
    this.#run += 1;
    clearInterval(this.#watchdog);
    this.#controller?.abort();
    this.#lastPicture = 0;
    this.onThing(null);
    this.onLive(false);
  }

  async #keepAsking(run) {
    let pause = FIRST_PAUSE;
    while (run === this.#run) {
      const began = performance.now();
      try {
        await this.#ask(run);
        pause = FIRST_PAUSE;
        await wait(Math.max(0, began + TURN - performance.now()));
      } catch {
        // the device does not answer: the watchdog notices that the picture is not live
        if (run !== this.#run) return;
        await wait(jitter(pause));
        pause = Math.min(pause * 2, LONGEST_PAUSE);
      }
    }
  }

  async #ask(run) {
    const controller = new AbortController();
    this.#controller = controller;
    const impatience = setTimeout(() => {
      this.#step = 0;
      controller.abort();
    }, STALE_AFTER);
    try {
      const width = WIDTHS[Math.min(this.#step, this.#largestStep())];
      const answer = await fetch(`camera.jpg?after=${this.#sequence}&width=${width}`, {
        cache: "no-store",
        signal: controller.signal,
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const thing = parseOutline(answer.headers.get("X-Thing"));
      if (run === this.#run) this.onThing(thing);
      if (answer.status === 204) return; // there is no newer picture yet
      const arriving = performance.now();
      const jpeg = await answer.blob();
      this.#fitToLink(performance.now() - arriving);
      const bitmap = await createImageBitmap(jpeg);
      if (run === this.#run) {
        this.#sequence = Number(answer.headers.get("X-Sequence"));
        this.#draw(bitmap, thing);
      }
      bitmap.close();
    } finally {
      clearTimeout(impatience);
    }
  }

  // The smallest width with a pixel for each of the screen's.
  #largestStep() {
    const needed = this.#canvas.parentElement.clientWidth * devicePixelRatio;
    const enough = WIDTHS.findIndex((width) => width >= needed);
    return enough < 0 ? WIDTHS.length - 1 : enough;
  }

  #fitToLink(took) {
    const now = performance.now();
    if (took > SLOW) {
      this.#step = Math.max(0, this.#step - 1);
      this.#caution = CAUTION;
    }
    if (took > QUICK) {
      this.#quickSince = now;
    } else if (now - this.#quickSince >= this.#caution) {
      this.#step = Math.min(this.#step + 1, this.#largestStep());
      this.#quickSince = now;
    }
  }

  #draw(bitmap, thing) {
    const { width, height } = bitmap;
    const proportion = width / height;
    if (Math.abs(proportion / this.#proportion - 1) > 0.01) {
      this.#proportion = proportion;
      this.onSize(width, height);
    }
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#context.drawImage(bitmap, 0, 0);
    this.#drawMore?.(this.#context, this.#colour, thing);
    if (thing) drawOutline(this.#context, thing, this.#colour);
    this.#lastPicture = performance.now();
    this.onLive(true);
  }

  #check() {
    if (performance.now() - this.#lastPicture >= STALE_AFTER) this.onLive(false);
  }
}

// "0.31 0.22 0.2 0.4 looking": left, top, width and height as shares of the picture; else "known".
function parseOutline(words) {
  const [left, top, width, height, stage] = (words ?? "").split(" ");
  if (!stage) return null;
  return { box: [left, top, width, height].map(Number), isLooking: stage === "looking" };
}

// Four corners around the thing, light below the colour to be seen on any ground.
function drawOutline(context, { box }, colour) {
  const { width, height } = context.canvas;
  const unit = width / 100;
  const ends = (from, length, size) =>
    [from * size - 2 * unit, (from + length) * size + 2 * unit]
      .map((end) => Math.min(Math.max(end, unit), size - unit));
  const [left, right] = ends(box[0], box[2], width);
  const [top, bottom] = ends(box[1], box[3], height);
  const arm = Math.min(6 * unit, (right - left) / 3, (bottom - top) / 3);
  context.beginPath();
  for (const [x, across] of [[left, arm], [right, -arm]]) {
    for (const [y, down] of [[top, arm], [bottom, -arm]]) {
      context.moveTo(x + across, y);
      context.lineTo(x, y);
      context.lineTo(x, y + down);
    }
  }
  context.lineCap = context.lineJoin = "round";
  for (const [thickness, tone] of [[1.6, "#fffc"], [0.9, colour]]) {
    context.lineWidth = thickness * unit;
    context.strokeStyle = tone;
    context.stroke();
  }
}
