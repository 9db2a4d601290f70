// The panel that shows one view after the other, each as large as there is room for.

const PICTURE_PATIENCE = 400; // ms until a view is shown although its pictures are not there
const STEPS = ["fit-1", "fit-2", "fit-3", "fit-4", "fit-5"]; // see answer.css

const REFILLED = "is-refilled";
const CLAMPING = 3; // the step from which on names have a number of lines
const MOST_LINES = 8;

export class Panel {
  #panel;
  #turn = 0;

  constructor(panel) {
    this.#panel = panel;
    new ResizeObserver(() => this.#fit()).observe(panel);
    document.fonts?.addEventListener("loadingdone", () => this.#fit());
  }

  // A view is made ready, and its pictures are loaded first, so that nothing jumps.
  async show(view, ready = null) {
    const turn = ++this.#turn;
    if (ready) await ready;
    const pictures = [...view.querySelectorAll("img")].map((image) => image.decode().catch(() => {}));
    await Promise.race([Promise.all(pictures), new Promise((go) => setTimeout(go, PICTURE_PATIENCE))]);
    if (turn !== this.#turn) return;
    const focused = this.#panel.contains(document.activeElement);
    this.#panel.replaceChildren(view);
    this.#fit();
    if (focused) this.#panel.parentElement.focus(); // the focused element is gone
  }

  // Leave out and shrink, step by step, what matters least, until the rest fits.
  #fit() {
    const view = this.#panel.firstElementChild;
    if (!view) return;
    view.classList.remove(REFILLED, ...STEPS);
    view.style.removeProperty("--room");
    let step = 0;
    while (isCut(view) && step < STEPS.length) {
      view.classList.add(STEPS[step]);
      step += 1;
    }
    if (step >= CLAMPING) widen(view);
    view.classList.toggle(REFILLED, step > 1); // a later step may have made room for some attributes
    if (isCut(view)) view.classList.remove(REFILLED);
  }
}

// Let names have as many lines as there is room for.
function widen(view) {
  for (let lines = MOST_LINES; lines > 0; lines -= 1) {
    view.style.setProperty("--room", lines);
    if (!isCut(view)) return;
  }
}

function isCut(view) {
  if (view.matches(".item, .found")) return false; // these scroll
  const parts = [view, ...view.querySelectorAll(".thing, .card, .card-label, .others")];
  return parts.some((part) => part.scrollHeight > part.clientHeight + 1);
}
