// The view of one item: all photos and attributes, similar items, and the way to a phone.

import { mat, openButton, thing } from "./answer.js";
import { isOwnScreen, make, text, timeLimit } from "./dom.js";
import { late, loadStyles } from "./late.js";
import { localItem, say, unbroken } from "./words.js";

const PATIENCE = 10_000; // ms
const MARGIN = 12; // px below what is in sight

// An item as a result for the panel. What is known of it is shown where the device does not answer.
export async function opened(item, open, words) {
  const asked = all(item.sku).catch((error) => {
    if (!item.title) throw error;
    return item;
  });
  const [whole] = await Promise.all([asked, loadStyles("item.css", "scrolling.css")]);
  const local = localItem(whole);
  return { words, view: itemView(local, open), spoken: local.title, sku: local.sku };
}

async function all(sku) {
  const { ask } = await late("search.js");
  return ask(`api/items/${encodeURIComponent(sku)}`, { signal: timeLimit(PATIENCE) });
}

function itemView(item, open) {
  const whole = thing(item, Infinity);
  const view = make("article", "match item", whole);
  view.fit = () => fit(view);
  const pictures = item.photos?.length > 1 ? gallery(item) : make("div", "gallery", mat(item.photo));
  whole.firstChild.replaceWith(pictures);
  const name = text("p", "whole-name", unbroken(item.title));
  name.setAttribute("aria-hidden", "true"); // listeners have heard it
  whole.lastChild.append(name);
  if (isOwnScreen && item.phone) whole.append(phoneCode(item));
  if (item.similar?.length) whole.append(similarItems(item.similar, open));
  return view;
}

// A name has as many lines as leave its place and price in sight; what is cut is whole below these.
function fit(view) {
  const title = view.querySelector(".title");
  const last = view.querySelector(".price") ?? view.querySelector(".location") ?? title;
  const over = last.offsetTop + last.offsetHeight + MARGIN - view.clientHeight;
  view.classList.remove("is-short");
  if (over <= 0) return;
  const lines = Math.floor((title.clientHeight - over) / parseFloat(getComputedStyle(title).lineHeight));
  view.style.setProperty("--room", Math.max(1, lines));
  view.classList.toggle("is-short", title.scrollHeight > title.clientHeight + 1);
}

// All photos side by side: one is seen, a swipe or a touch below shows another.
function gallery({ title, photos }) {
  const strip = make("ul", "strip");
  strip.tabIndex = 0; // for the arrow keys
  strip.setAttribute("aria-label", title);
  const choices = make("ul", "more-photos");
  const mark = (chosen) =>
    [...choices.children].forEach((choice, number) => choice.firstChild.setAttribute("aria-current", number === chosen));
  photos.forEach((photo, number) => {
    const place = make("li", "", mat(photo.address));
    strip.append(place);
    const choice = make("button", "choose-photo", mat(photo.address));
    choice.type = "button";
    choice.setAttribute("aria-label", say("Photo {number} of {count}", { number: number + 1, count: photos.length }));
    const left = () => place.offsetLeft - strip.offsetLeft;
    choice.addEventListener("click", () => strip.scrollTo({ left: left(), behavior: "smooth" }));
    choices.append(make("li", "", choice));
  });
  strip.addEventListener("scroll", () => mark(Math.round(Math.abs(strip.scrollLeft) / strip.clientWidth)));
  mark(0);
  return make("div", "gallery", strip, choices);
}

function phoneCode(item) {
  const image = make("img", "");
  image.src = `item.svg?sku=${encodeURIComponent(item.sku)}`;
  image.alt = say("QR code that opens this item on a phone");
  return make("figure", "phone-code", image, make("figcaption", "", say("Take it along on your phone")));
}

function similarItems(items, open) {
  const list = make("ul", "similar");
  for (const item of items) {
    const parts = [mat(item.photo), text("span", "name", unbroken(item.title))];
    if (item.price) parts.push(text("span", "cost", unbroken(item.price)));
    list.append(make("li", "", openButton("similar-item", item, open, ...parts)));
  }
  return make("section", "", make("h3", "also", say("Similar items")), list);
}
