// Everything that lies before the camera, where that is more than one thing. Loaded when it is.

import { itemRows, refit } from "./answer.js";
import { make, text } from "./dom.js";
import { loadStyles } from "./late.js";
import { say } from "./words.js";

const LEAST_LETTER = 14; // CSS pixels
const LINES = 3; // the most of a name
const LINE = 1.2; // letters
const SIZES = [1, 0.88]; // smaller letters where a name would be cut
const ROOM = 0.32; // of the picture's width: longer lines are used where a name would be cut

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
  const others = [];
  if (unknown) others.push(make("span", "", say("Not known: {count}", { count: unknown })));
  if (things.some((thing) => !thing.verdict)) others.push(make("span", "", say("Looking…")));
  if (others.length) view.append(make("p", "also", ...others));
  return view;
}

// A function that draws the names of things at rest over a picture.
function drawThings(things) {
  const placed = things.filter(({ box }) => box);
  return (context, colour, leading) => {
    const { width, height } = context.canvas;
    const areas = placed.map(({ box }) => areaOf(box, width, height));
    const taken = [...areas];
    if (leading) taken.push(areaOf(boxOf(leading), width, height));
    placed.forEach((thing, place) => {
      const others = taken.filter((area) => area !== areas[place]);
      drawThing(context, areas[place], others, thingName(thing), colour);
    });
  };
}

const boxOf = ({ box: [left, top, width, height] }) => ({ left, top, width, height });

function areaOf({ left, top, width: across, height: down }, width, height) {
  return { left: left * width, top: top * height, right: (left + across) * width, bottom: (top + down) * height };
}

// A thin frame around a thing, with its name below; `others` are the areas that it leaves free.
function drawThing(context, area, others, name, colour) {
  const { canvas } = context;
  const unit = canvas.width / 100;
  context.lineWidth = 0.4 * unit;
  context.strokeStyle = colour;
  context.strokeRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
  // letters as large as others of the page, however small the picture is shown
  const large = Math.max(2.4 * unit, (LEAST_LETTER * canvas.width) / (canvas.clientWidth || canvas.width));
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const { left, right, end } = freeRoom(area, others, LINES * LINE * large, canvas);
  const wanted = Math.max(area.right - area.left, ROOM * canvas.width);
  let letter, padding, lines;
  for (const size of SIZES) {
    letter = size * large;
    padding = 0.2 * letter;
    context.font = `600 ${letter}px system-ui, sans-serif`;
    const room = right - left - 2 * padding;
    lines = inLines(context, name, Math.min(room, wanted), room);
    if (lines.join(" ") === name) break;
  }
  const label = Math.max(...lines.map((line) => context.measureText(line).width)) + 2 * padding;
  const high = (0.2 + LINE * lines.length) * letter;
  const middle = between((area.left + area.right) / 2, left + label / 2, right - label / 2);
  const bottom = Math.min(area.bottom + high + 0.05 * letter, end);
  context.fillStyle = "#fffd";
  context.fillRect(middle - label / 2, bottom - high, label, high);
  context.fillStyle = "#111";
  lines.reverse().forEach((line, above) => {
    // in the words' own direction
    context.fillText(`\u2068${line}\u2069`, middle, bottom - (0.2 + LINE * above) * letter);
  });
}

// The room for a name below an area: from left to right between its neighbours, and where it ends:
// at what lies below, or at the picture's edge.
function freeRoom(area, others, high, { width, height }) {
  const edge = width / 100;
  const room = { left: edge, right: width - edge, end: height - edge };
  const middle = (area.left + area.right) / 2;
  for (const other of others) {
    if (other.top >= area.bottom + high || other.bottom <= area.bottom) continue;
    if (other.right < middle) room.left = Math.max(room.left, other.right);
    else if (other.left > middle) room.right = Math.min(room.right, other.left);
    else if (other.top > area.bottom) room.end = Math.min(room.end, other.top);
  }
  return room;
}

function between(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

// A name in a few lines, each with as many whole words as there is room for; in all the room that
// there is, where it would be cut otherwise.
function inLines(context, name, wanted, most) {
  const lines = wrapped(context, name, wanted);
  const isWhole = lines.length <= LINES && lines.every((line) => context.measureText(line).width <= wanted);
  const wider = isWhole ? lines : wrapped(context, name, most);
  const last = wider.slice(LINES - 1).join(" ");
  return [...wider.slice(0, LINES - 1), last].filter(Boolean).map((line) => shortened(context, line, most));
}

function wrapped(context, name, room) {
  const [first, ...words] = name.split(" ");
  const lines = [first];
  for (const word of words) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (context.measureText(longer).width <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function shortened(context, name, room) {
  if (context.measureText(name).width <= room) return name;
  let words = name;
  while (words.length > 1 && context.measureText(`${words}…`).width > room) words = words.slice(0, -1);
  return `${words.trimEnd()}…`;
}
