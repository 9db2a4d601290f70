// Everything that lies before the camera, where that is more than one thing.

import { itemRows } from "./answer.js";
import { make, text } from "./dom.js";
import { say } from "./words.js";

// What a thing is called on the live picture.
export function thingName({ verdict, matches, guesses }) {
  if (!verdict) return "…";
  if (matches.length) return matches[0].title;
  return guesses ? `${guesses[0].title}?` : "?";
}

// A row for each item that lies beside the one of the sighting, or twice; then those without a name.
export function trayView({ verdict, things }, open) {
  const counted = new Map();
  for (const { matches } of things) {
    if (!matches.length) continue;
    const known = counted.get(matches[0].sku);
    counted.set(matches[0].sku, { item: matches[0], count: (known?.count ?? 0) + 1 });
  }
  const about = verdict === "match" ? things[0].matches[0].sku : "";
  const listed = [...counted.values()].filter(({ item, count }) => count > 1 || item.sku !== about);
  const view = make("section", "others tray", make("h3", "also", say("On the counter")));
  const rows = itemRows(listed.map(({ item }) => item), open);
  listed.forEach(({ count }, place) => {
    const name = rows.children[place].querySelector(".name");
    if (count > 1) name.prepend(text("b", "count", say("{count} ×", { count })), " ");
  });
  if (listed.length) view.append(rows);
  const unknown = things.filter((thing) => thing.verdict && !thing.matches.length).length;
  if (unknown) view.append(make("p", "also", say("Not known: {count}", { count: unknown })));
  if (things.some((thing) => !thing.verdict)) view.append(make("p", "also", say("Looking…")));
  return view;
}
