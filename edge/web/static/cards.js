// A few items as cards. Loaded when there are some, or when the page has nothing else to do.

import { mat, openButton, refit, textButton } from "./answer.js";
import { make, text } from "./dom.js";
import { loadStyles } from "./late.js";
import { say, unbroken } from "./words.js";

const FEW = 2; // where there is little room

export const styled = () => loadStyles("cards.css");

// Add the cards to their view.
export async function fill(view, items, open) {
  await styled();
  const list = cards(items, open);
  // Where three are too many at once, two are shown, and the others by turns.
  const more = textButton(say("More"), () => {
    list.append(...[...list.children].slice(0, FEW));
    refit(list);
  });
  more.classList.add("turn-over");
  if (items.length > FEW) view.firstElementChild.append(more);
  view.append(list);
}

export function cards(items, open) {
  const list = make("ul", "cards");
  for (const item of items) {
    const label = make("span", "card-label", text("span", "name", unbroken(item.title)));
    if (item.location) label.append(text("span", "where", unbroken(item.location)));
    if (item.price) label.append(text("span", "cost", unbroken(item.price)));
    list.append(make("li", "", openButton("card", item, open, mat(item.photo), label)));
  }
  return list;
}
