// What a visitor says at the own screen. It is noted for the staff.

import { textButton } from "./answer.js";
import { say } from "./words.js";

// A visitor took one of the items offered: a weak sign that it is right.
export function noteChoice(sighting, item) {
  if (sighting && item.sku !== sighting.matches[0]?.sku) tell(sighting, { chosen: item.sku });
}

// An unknown thing's button that tells the staff.
export function tellButton(sighting) {
  const button = textButton(say("Tell the staff"), async () => {
    button.disabled = true;
    const isNoted = await tell(sighting, { wanted: true });
    button.textContent = isNoted ? say("Thank you. The staff will see it.") : say("That did not work. Try again.");
    button.disabled = isNoted;
  });
  return button;
}

function tell(sighting, content) {
  return fetch(`api/sightings/${encodeURIComponent(sighting.id)}/visitor`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  })
    .then((answer) => answer.json())
    .then(({ noted }) => noted, () => false);
}
