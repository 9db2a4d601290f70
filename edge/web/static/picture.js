// The live picture: an MJPEG stream, read by fetch and drawn on a canvas. So the page knows when
// the last frame came, and can tell a broken stream from a still scene.

import { jitter, wait } from "./dom.js";

const STALE_AFTER = 3_000; // an older frame is not live any more
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8_000;
const LARGEST_PART = 8 << 20;

export class LivePicture {
  #canvas;
  #context;
  #wanted = false;
  #run = 0;
  #controller = null;
  #lastFrame = 0;
  #opened = 0;
  #sized = false;
  #watchdog = 0;

  // onLive(boolean) is called with whether the canvas shows what the camera sees now.
  // onSize(width, height) is called when the camera's picture has another size.
  constructor(canvas, { onLive, onSize }) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.onLive = onLive;
    this.onSize = onSize;
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#watchdog = setInterval(() => this.#check(), 500);
    this.#keepReading(++this.#run);
  }

  stop() {
    this.#wanted = false;
    this.#run += 1;
    clearInterval(this.#watchdog);
    this.#controller?.abort();
    this.#lastFrame = 0;
    this.onLive(false);
  }

  async #keepReading(run) {
    let pause = FIRST_PAUSE;
    while (run === this.#run) {
      const began = performance.now();
      try {
        await this.#read(run);
      } catch {
        // ignore a broken stream: the watchdog notices that the picture is not live
      }
      if (run !== this.#run) return;
      if (this.#lastFrame > began) pause = FIRST_PAUSE;
      await wait(jitter(pause));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  async #read(run) {
    this.#controller = new AbortController();
    this.#opened = performance.now();
    const answer = await fetch("/camera.mjpg", {
      cache: "no-store",
      signal: this.#controller.signal,
    });
    if (!answer.ok || !answer.body) throw new Error(`status ${answer.status}`);
    for await (const jpeg of parts(answer.body.getReader())) {
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (run === this.#run) this.#draw(bitmap);
      bitmap.close();
      if (run !== this.#run) return;
    }
  }

  #draw(bitmap) {
    if (!this.#sized || this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
      this.#sized = true;
      this.onSize(bitmap.width, bitmap.height);
      this.#canvas.width = bitmap.width;
      this.#canvas.height = bitmap.height;
    }
    this.#context.drawImage(bitmap, 0, 0);
    this.#lastFrame = performance.now();
    this.onLive(true);
  }

  #check() {
    const now = performance.now();
    if (now - this.#lastFrame < STALE_AFTER) return;
    this.onLive(false);
    if (now - this.#opened > STALE_AFTER) {
      this.#opened = now;
      this.#controller?.abort();
    }
  }
}

// The bodies of a multipart stream whose parts carry their Content-Length.
async function* parts(reader) {
  let buffer = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer = joined(buffer, value);
    for (;;) {
      const end = endOfHeader(buffer);
      if (end < 0) break;
      const header = new TextDecoder("latin1").decode(buffer.subarray(0, end));
      const length = Number(/content-length:\s*(\d+)/i.exec(header)?.[1] ?? NaN);
      if (!(length <= LARGEST_PART)) throw new Error("a part without a usable length");
      if (buffer.length < end + length) break;
      yield buffer.slice(end, end + length);
      buffer = buffer.slice(end + length);
    }
    if (buffer.length > LARGEST_PART) throw new Error("a part that never ends");
  }
}

function joined(first, second) {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

// Where the body begins: after the first empty line; -1 when it has not come yet.
function endOfHeader(bytes) {
  for (let at = 0; at + 3 < bytes.length && at < 1024; at += 1) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
      if (at > 0) return at + 4; // the line end of the part before is not a header
    }
  }
  return -1;
}
