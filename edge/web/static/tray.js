// Everything that lies before the camera, where that is more than one thing. Loaded when it is.

import { itemRows, refit } from "./answer.js";
import { make, text } from "./dom.js";
import { loadStyles } from "./late.js";
import { say } from "./words.js";

const LEAST_LETTER = 14; // CSS pixels
const ROOM = 0.32; // of the picture's width, that a name has at least

// Add the list of a sighting's things to its view, and draw their names over the live picture.
export async function list(sighting, view, open, draw) {
  draw(drawThings(sighting.things));
  await loadStyles("tray.css");
  view.append(trayView(sighting, open));
  refit(view); // it may be shown already, where the sheet came late
}

// What a thing is called on the live picture.
function thingName({ verdict, matches, guesses }) {
  if (!verdict) return "…";
  if (verdict === "match") return matches[0].title;
  return `${(matches[0] ?? guesses?.[0])?.title ?? ""}?`;
}

// A row for each item that lies beside the one of the sighting, or twice; then those without a name.
function trayView({ verdict, things }, open) {
  const counted = new Map();
  for (const { verdict: own, matches } of things) {
    if (own !== "match") continue;
    const known = counted.get(matches[0].sku);
    counted.set(matches[0].sku, { item: matches[0], count: (known?.count ?? 0) + 1 });
  }
  const about = verdict === "match" ? things[0].matches[0].sku : "";
  const listed = [...counted.values()].filter(({ item, count }) => count > 1 || item.sku !== about);
  const view = make("section", "others tray", make("h3", "also", say("On the counter")));
  const rows = itemRows(listed.map(({ item }) => item), open);
  listed.forEach(({ count }, place) => {
    if (count < 2) return;
    const [name, cost] = [".name", ".cost"].map((part) => rows.children[place].querySelector(part));
    name.prepend(text("b", "count", `${count} ×`), " ");
    if (!cost.textContent) return;
    cost.replaceChildren(text("span", "", cost.textContent), " ", make("small", "each", say("each")));
  });
  if (listed.length) view.append(rows);
  const unknown = things.filter((thing) => thing.verdict && thing.verdict !== "match").length;
  if (unknown) view.append(make("p", "also", say("Not known: {count}", { count: unknown })));
  if (things.some((thing) => !thing.verdict)) view.append(make("p", "also", say("Looking…")));
  return view;
}

// A function that draws the names of things at rest over a picture.
function drawThings(things) {
  const placed = things.filter(({ box }) => box);
  return (context, colour) => placed.forEach((thing) => drawThing(context, thing.box, thingName(thing), colour));
}

// A thin frame around a thing, with its name below.
function drawThing(context, box, name, colour) {
  const { width, height } = context.canvas;
  const unit = width / 100;
  const [left, top] = [box.left * width, box.top * height];
  const [across, down] = [box.width * width, box.height * height];
  context.lineWidth = 0.4 * unit;
  context.strokeStyle = colour;
  context.strokeRect(left, top, across, down);
  // letters as large as others of the page, however small the picture is shown
  const letter = Math.max(2.4 * unit, (LEAST_LETTER * width) / context.canvas.clientWidth);
  context.font = `600 ${letter}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const lines = inLines(context, name, Math.max(across, ROOM * width));
  const label = Math.max(...lines.map((line) => context.measureText(line).width)) + 0.6 * letter;
  const high = (0.2 + 1.2 * lines.length) * letter;
  const middle = Math.min(Math.max(left + across / 2, label / 2), width - label / 2);
  const bottom = Math.min(top + down + high + 0.05 * letter, height);
  context.fillStyle = "#fffd";
  context.fillRect(middle - label / 2, bottom - high, label, high);
  context.fillStyle = "#111";
  lines.reverse().forEach((line, above) => {
    // in the words' own direction
    context.fillText(`\u2068${line}\u2069`, middle, bottom - (0.2 + 1.2 * above) * letter);
  });
}

// A name in one or two lines: the first has as many whole words as there is room for.
function inLines(context, name, room) {
  const words = name.split(" ");
  let first = words.shift();
  while (words.length && context.measureText(`${first} ${words[0]}`).width <= room) first += ` ${words.shift()}`;
  return [first, words.join(" ")].filter(Boolean).map((line) => shortened(context, line, room));
}

function shortened(context, name, room) {
  if (context.measureText(name).width <= room) return name;
  let words = name;
  while (words.length > 1 && context.measureText(`${words}…`).width > room) words = words.slice(0, -1);
  return `${words.trimEnd()}…`;
}
