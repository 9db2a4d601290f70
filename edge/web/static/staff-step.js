// What to do now in a lesson, in words.

import { say } from "./words.js";

export function stepWords({ stage, views, wanted, seen_already, takes_more }) {
  const taken = Math.min(views.length, wanted);
  if (seen_already && stage !== "done") {
    return say("{taken} of {wanted}: this side is taken; turn the thing further.", { taken, wanted });
  }
  switch (stage) {
    case "show":
      return views.length
        ? say("{taken} of {wanted}: show the thing again.", { taken, wanted })
        : say("{taken} of {wanted}: put the thing before the camera.", { taken, wanted });
    case "still":
      return say("{taken} of {wanted}: hold it still.", { taken, wanted });
    case "turn":
      return say("{taken} of {wanted}: turn the thing to another side.", { taken, wanted });
    default:
      return takes_more
        ? say("{count} views: enough.", { count: views.length })
        : say("Enough views; further sides help.");
  }
}

// What to do in place of it while the camera is away.
export function blindWords() {
  return say("The camera sends no picture: “The device” below says what to do.");
}
