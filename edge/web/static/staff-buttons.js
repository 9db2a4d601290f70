// Buttons of the staff's area, and names between its words.

import { make, text } from "./dom.js";
import { say, sayParts, unbroken } from "./words.js";

const PATIENCE = 10_000; // ms; then a question that nobody answered is taken back
const LONGEST = 200; // letters of a name in a heading, which ends after a whole word then
const OTHER_WAY = document.documentElement.dir === "rtl" ? /[A-Za-z]/ : /[\u0590-\u08ff\ufb1d-\ufefc]/;

export function button(words, act) {
  const made = make("button", "button", words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

// A button for what cannot be taken back: it looks so, and asks. The second tap acts, but not that of a double tap.
// `name` is what a screen reader says in place of the words.
export function sureButton(words, question, act, name = words) {
  let asking = 0;
  const made = button(words, ({ detail }) => {
    if (!asking) {
      made.textContent = question;
      made.setAttribute("aria-label", question);
      made.classList.add("strong");
      asking = setTimeout(calm, PATIENCE);
    } else if (detail < 2) {
      calm();
      act();
    }
  });
  const calm = () => {
    clearTimeout(asking);
    asking = 0;
    made.textContent = words;
    made.setAttribute("aria-label", name);
    made.classList.remove("strong");
  };
  made.classList.add("danger");
  made.addEventListener("blur", calm);
  calm();
  return made;
}

// An item of a list that a touch chooses, with its photo and title, and perhaps a note.
export function itemOffer(item, act, ...notes) {
  const offer = make("button", "offer", make("span", "", isolated(item.title), ...notes));
  offer.type = "button";
  if (item.photo) {
    const picture = make("img");
    picture.src = item.photo;
    picture.alt = "";
    offer.prepend(picture);
  }
  offer.addEventListener("click", act);
  return make("li", "", offer);
}

// A heading with a name, which is cut where it is very long; whole for screen readers.
export function nameHeading(name) {
  const letters = [...name];
  const kept = letters.slice(0, LONGEST).join("");
  const shown = letters.length > LONGEST ? `${kept.replace(/[,;:]?\s+\S{0,40}$/, "")}…` : name;
  const heading = text("h3", "", unbroken(shown));
  if (letters.length > LONGEST) heading.setAttribute("aria-label", name);
  return heading;
}

// Names in the order of the page's language, each in its own direction.
export function listed(names) {
  return names.map(isolated).reduce((all, next) => sayParts("{all}; {next}", { all, next }).join(""));
}

// A name that keeps its own direction beside words that run the other way.
export function isolated(name) {
  return OTHER_WAY.test(name) ? `\u2068${name}\u2069` : name;
}
