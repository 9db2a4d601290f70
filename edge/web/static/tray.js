// Everything that lies before the camera, where that is more than one thing. Loaded when it is.

import { itemRows, refit } from "./answer.js";
import { make, text } from "./dom.js";
import { loadStyles } from "./late.js";
import { say, unbroken } from "./words.js";

const LEAST_LETTER = 14; // CSS pixels
const LINES = 3; // the most of a name
const LINE = 1.05; // letters
const GAP = 0.32; // letters, of the picture between a name and what lies below it
const SIZES = [1, 0.88]; // smaller letters where a name would be cut, or lie over its thing's frame
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
  return `${(matches[0] ?? guesses?.[0])?.title ?? ""}${say("?")}`.trim();
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
    if (!cost) return;
    cost.replaceChildren(text("span", "", cost.textContent), " ", make("small", "each", say("each")));
  });
  if (listed.length) view.append(rows);
  const unknown = things.filter((thing) => thing.verdict && thing.verdict !== "match").length;
  const others = [];
  if (unknown) others.push(make("span", "", say("Not known: {count}", { count: unknown })));
  const unclear = things.filter((thing) => !thing.verdict).length;
  if (unclear) others.push(make("span", "", say("Still looking: {count}", { count: unclear })));
  if (others.length) view.append(make("p", "also", ...others));
  return view;
}

// A function that draws the frames and names of things at rest over a picture.
function drawThings(things) {
  const placed = things.filter(({ box }) => box);
  const names = placed.map((thing) => unbroken(thingName(thing)));
  return (context, colour, leading) => {
    const { canvas } = context;
    const { width, height } = canvas;
    const areas = placed.map(({ box }) => areaOf(box, width, height));
    const taken = leading ? [...areas, areaOf(boxOf(leading), width, height)] : areas;
    context.lineWidth = (0.4 * width) / 100;
    context.strokeStyle = colour;
    for (const { left, top, right, bottom } of areas) context.strokeRect(left, top, right - left, bottom - top);
    // letters as large as others of the page, however small the picture is shown
    const large = Math.max(0.024 * width, (LEAST_LETTER * width) / (canvas.clientWidth || width));
    let labels;
    for (const size of SIZES) {
      labels = labelsOf(context, areas, taken, names, size * large);
      if (labels.every(({ lines, isOver }, place) => lines.join(" ") === names[place] && !isOver)) break;
    }
    for (const label of labels) drawLabel(context, label);
  };
}

const boxOf = ({ box: [left, top, width, height] }) => ({ left, top, width, height });

function areaOf({ left, top, width: across, height: down }, width, height) {
  return { left: left * width, top: top * height, right: (left + across) * width, bottom: (top + down) * height };
}

const middleOf = ({ left, right }) => (left + right) / 2;
const highOf = (lines, letter) => (0.15 + LINE * lines) * letter;
const meet = (one, other) => one.top < other.bottom && one.bottom > other.top;

// A name below each area: its lines, their middle, and where they end. `taken` are the areas that
// names leave free.
function labelsOf(context, areas, taken, names, letter) {
  const { width, height } = context.canvas;
  context.font = `600 ${letter}px system-ui, sans-serif`;
  const bands = areas.map((area) => bandBelow(area, taken, letter, height - width / 100));
  return areas.map((area, place) => {
    const padding = 0.2 * letter;
    const { left, right } = roomIn(bands, place, areas, taken, width);
    const room = right - left - 2 * padding;
    const free = bands[place].bottom - area.bottom;
    const few = between(Math.floor((free / letter - 0.15) / LINE + 0.01), 1, LINES);
    const wanted = Math.min(room, Math.max(area.right - area.left, ROOM * width));
    const lines = inLines(context, names[place], wanted, room, few);
    const across = Math.max(...lines.map((line) => context.measureText(line).width)) + 2 * padding;
    const middle = between(middleOf(area), left + across / 2, right - across / 2);
    const bottom = Math.min(area.bottom + highOf(lines.length, letter), bands[place].bottom);
    const isOver = bottom - highOf(lines.length, letter) < area.bottom - 1;
    return { lines, letter, across, middle, bottom, isOver };
  });
}

// From where to where a name of all lines reaches: below its area, above what lies there.
function bandBelow(area, taken, letter, end) {
  const middle = middleOf(area);
  const high = highOf(LINES, letter);
  const below = taken.filter(({ left, top, right }) => left <= middle && right >= middle && top > area.bottom);
  const bottom = Math.min(area.bottom + high, end, ...below.map(({ top }) => top - GAP * letter));
  return { top: bottom - high, bottom };
}

// The room in a band: from left to right between other areas, and half way to those whose names
// stand beside it.
function roomIn(bands, place, areas, taken, width) {
  const edge = width / 100;
  const room = { left: edge, right: width - edge };
  const band = bands[place];
  const area = areas[place];
  const middle = middleOf(area);
  for (const other of taken.filter((one) => meet(one, band))) {
    if (other.right < middle) room.left = Math.max(room.left, other.right);
    else if (other.left > middle) room.right = Math.min(room.right, other.left);
  }
  for (const other of areas.filter((_, at) => meet(bands[at], band))) {
    if (middleOf(other) < middle) room.left = Math.max(room.left, (other.right + area.left) / 2);
    else if (middleOf(other) > middle) room.right = Math.min(room.right, (area.right + other.left) / 2);
  }
  return room;
}

function drawLabel(context, { lines, letter, across, middle, bottom }) {
  const high = highOf(lines.length, letter);
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillStyle = "#fffd";
  context.fillRect(middle - across / 2, bottom - high, across, high);
  context.fillStyle = "#111";
  [...lines].reverse().forEach((line, above) => {
    // in the words' own direction
    context.fillText(`\u2068${line}\u2069`, middle, bottom - (0.1 + LINE * above) * letter);
  });
}

function between(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

// A name in a few lines, each with as many whole words as there is room for. Where it would be cut
// they are wider, and where they still do not do they are more: then they lie over the thing.
function inLines(context, name, wanted, room, few) {
  const fits = (line, width) => context.measureText(line).width <= width;
  let lines;
  for (const [width, most] of [[wanted, few], [room, few], [room, LINES]]) {
    lines = wrapped(context, name, width);
    if (lines.length <= most && lines.every((line) => fits(line, width))) return balanced(context, name, lines);
  }
  const last = lines.slice(LINES - 1).join(" ");
  return [...lines.slice(0, LINES - 1), last].filter(Boolean).map((line) => shortened(context, line, room));
}

// A name in as many lines that are as short as they can be.
function balanced(context, name, lines) {
  const longest = (some) => Math.max(...some.map((line) => context.measureText(line).width));
  const narrow = longest(lines) - 1;
  const next = wrapped(context, name, narrow);
  return next.length > lines.length || longest(next) > narrow ? lines : balanced(context, name, next);
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
