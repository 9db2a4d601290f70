// Buttons of the staff's area.

import { make } from "./dom.js";

export function button(words, act) {
  const made = make("button", "button", words);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

// A button whose second tap acts, because there is no easy way back.
export function sureButton(words, question, act) {
  const made = button(words, () => {
    if (made.classList.contains("strong")) {
      calm();
      act();
      return;
    }
    made.textContent = question;
    made.classList.add("strong");
  });
  const calm = () => {
    made.textContent = words;
    made.classList.remove("strong");
  };
  made.addEventListener("blur", calm);
  return made;
}

// An item of a list that a touch chooses, with its photo and title, and perhaps a note.
export function itemOffer(item, act, ...notes) {
  const offer = make("button", "offer", make("span", "", item.title), ...notes);
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
