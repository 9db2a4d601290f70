// The panel while it shows what the device sees: the answer, or why there is none.

import { isOwnScreen, make } from "./dom.js";
import { late } from "./late.js";
import { refit, sentenceView, sightingView, textButton } from "./answer.js";
import { say, sayParts, spokenVerdict } from "./words.js";

// Loaded when it is needed; without the device nothing can be told.
const telling = (act) => late("visitor.js").then(act, () => {});

const thingKey = ({ sighting, verdict, matches }) => [sighting, verdict, matches[0]?.sku].join();

export class LiveAnswer {
  #panel;
  #open;
  #draw;
  #askForName;
  #onShow;
  #state = null;
  #isReached = true;
  #isLooking = false;
  #attract = null; // the view's maker, while nobody is there
  #shown = "";

  // open(item) and askForName() are a visitor's wishes. onShow(situation, sighting or null) is called
  // when another answer is shown.
  constructor({ panel, draw, open, askForName, onShow }) {
    this.#panel = panel;
    this.#open = open;
    this.#draw = draw;
    this.#askForName = askForName;
    this.#onShow = onShow;
  }

  get sighting() {
    return this.#state?.sighting ?? null;
  }

  // Where the device is away, the camera is, or nothing lies before it, no sighting is shown.
  get situation() {
    if (!this.#isReached) return "unreached";
    if (this.#state?.waiting) return "waiting";
    if (this.#state?.camera.state === "offline") return "offline";
    if ((this.sighting?.verdict ?? "nothing") !== "nothing") return "seen";
    if (this.#isLooking) return "looking";
    return this.#attract ? "attract" : "idle";
  }

  update(state) {
    this.#state = state;
  }

  reach(isReached) {
    this.#isReached = isReached;
  }

  look(isLooking) {
    this.#isLooking = isLooking;
  }

  // Nobody is there: show what `view` makes; null when somebody is.
  attract(view) {
    this.#attract = view;
  }

  // Show the answer, where it is another one than the panel has.
  show() {
    const { situation } = this;
    const seen = situation === "seen" ? [this.sighting.id, ...this.sighting.things.map(thingKey)] : [];
    const key = [situation, this.#state?.waiting, !this.#state?.progress, ...seen].join(" ");
    if (key === this.#shown) return;
    this.#shown = key;
    const sighting = situation === "seen" ? this.sighting : null;
    this.#draw(null);
    const [view, spoken] = this.#view(situation, sighting);
    this.#panel.show(view, sighting?.things.length > 1 && this.#list(sighting, view, key));
    this.#onShow(situation, sighting, spoken);
  }

  #list(sighting, view, key) {
    const add = (tray) => key === this.#shown && tray.list(sighting, view, this.#open, this.#draw);
    return late("tray.js").then(add, () => {});
  }

  // Something else is in the panel now.
  leave() {
    this.#shown = "";
  }

  #view(situation, sighting) {
    switch (situation) {
      case "unreached":
        return [
          sentenceView("link", say("No connection to the device"), say("The page goes on by itself.")),
          say("No connection to the device"),
        ];
      case "waiting": {
        const heading = say("Nothing can be found at the moment");
        const { advice = say("The page goes on by itself."), spoken = heading } = this.#state.progress;
        return [sentenceView("wait", heading, advice), spoken];
      }
      case "offline": {
        const search = textButton(say("search by name"), this.#askForName);
        const staff = say("Please tell the staff. The picture returns by itself.");
        const advice = [staff, " ", ...sayParts("You can still {search}.", { search })];
        return [sentenceView("away", say("No picture from the camera"), ...advice), say("No picture from the camera")];
      }
      case "attract":
        return [this.#attract(), ""];
      case "looking":
        return [sentenceView("hold", say("Looking…"), say("Keep it still for a moment.")), ""];
      default:
        return [this.#answer(sighting), sighting ? spokenVerdict(sighting) : ""];
    }
  }

  #answer(sighting) {
    const open = (item) => {
      if (isOwnScreen) telling(({ noteChoice }) => noteChoice(sighting, item));
      this.#open(item);
    };
    const view = sightingView(sighting, open, this.#askForName);
    if (isOwnScreen && sighting?.verdict === "unknown" && !sighting.guesses) {
      telling(({ tellButton }) => {
        view.append(make("p", "advice", tellButton(sighting)));
        refit(view);
      });
    }
    return view;
  }
}
