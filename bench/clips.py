"""Measure what the device makes of a real clip of a table: put-downs, leaders, wrong "nothing".

    python -m bench.clips [--laps 2]

The clip is clips/bottle-detection.mp4 of the materials (Intel IoT DevKit, CC BY 4.0). What happens
in it was read from its frames. It is a development clip: settings were chosen on it. It is also
played mirrored, darker, and compressed again, which nothing was chosen on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bench.demonstration import RESULTS
from bench.materials import materials
from bench.showings import INTERVAL_S
from catalog.bundles.bundle import Bundle
from catalog.core.box import Box, overlap
from catalog.core.settings import CatalogSettings
from catalog.recognition.decision import Verdict
from edge.cli.demo import prepare
from edge.sighting import Frame, Image
from edge.vision.picture_search import Observation
from edge.vision.recognizer import Recognizer
from edge.vision.scene import Activity

CLIP = "data/clips/bottle-detection.mp4"
WIDTH = 640  # pixels of the clip
LONGEST_ANSWER_S = 2.0  # after a put-down; from then on it must lead
HELD_S = 1.5  # for so long a hand may hold a bottle still in its place, before it lets go
SAME = 0.5  # overlap from which a box is about a thing
LOST_S = 3.0  # at a lap's begin all is another picture; what happens then is not judged


@dataclass(frozen=True)
class Visit:
    """A bottle that stands.

    Attributes:
        box: Where it stands.
        put_down: When the hand that brought it has left the picture, in seconds; 0 for one that
            stands there from the first frame, which counts as the background.
        taken: When a hand takes it; infinite where none does.
    """

    box: Box
    put_down: float
    taken: float


VISITS = (
    Visit(Box(64, 106, 70, 212), 0.0, 6.6),
    Visit(Box(286, 110, 70, 208), 0.0, 17.3),
    Visit(Box(506, 106, 70, 212), 0.0, 31.6),
    Visit(Box(62, 104, 72, 214), 13.5, 17.3),
    Visit(Box(286, 110, 70, 208), 24.4, np.inf),
    Visit(Box(46, 106, 74, 210), 28.9, np.inf),
    Visit(Box(514, 106, 70, 212), 36.7, np.inf),
)


@dataclass
class Counts:
    """What was counted.

    Attributes:
        found: The put-downs, by their time, after which a box is about the bottle in time.
        misled: Those after which, that time over, the answer is about something else.
        nothing_s: Seconds in which the answer is "nothing" although a bottle was put down.
        made_s: Seconds in which a box is answered where no bottle stands.
        faults: What went wrong when.
    """

    found: set[float] = field(default_factory=set)
    misled: set[float] = field(default_factory=set)
    nothing_s: float = 0.0
    made_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def frames(path: Path, change: Callable[[Image], Image]) -> Iterator[tuple[float, Image]]:
    """The time and the picture of each frame of a clip."""
    clip = cv2.VideoCapture(str(path))
    rate = clip.get(cv2.CAP_PROP_FPS)
    number = 0
    while (read := clip.read())[0]:
        yield number / rate, change(np.asarray(read[1], np.uint8))
        number += 1


def measure(bundle: Bundle, path: Path, change: str, laps: int) -> Counts:
    """Play a clip some times, and judge the last lap."""
    counts = Counts()
    recognizer = Recognizer(bundle)
    start, next_at, before = 0.0, 0.0, 0.0
    for lap in range(laps):
        at = start
        for seconds, image in frames(path, CHANGES[change]):
            at = start + seconds
            if at < next_at - 1e-6:
                continue
            observation = recognizer.observe(Frame(image, at, round(at * 1000) + 1))
            next_at = at + recognizer.next_interval_s(INTERVAL_S)
            if lap == laps - 1 and (lap == 0 or seconds > LOST_S):
                _judge(observation, seconds, at - before, change, counts)
            before = at
        start = at + 1 / 30
    return counts


def _judge(
    observation: Observation, seconds: float, gap: float, change: str, counts: Counts
) -> None:
    """Count what an answer says at a time of the clip."""
    standing = [visit for visit in VISITS if visit.put_down <= seconds < visit.taken]
    newest = max(standing, key=lambda visit: visit.put_down)
    if newest.put_down > 0 and observation.decision.verdict is Verdict.NOTHING:
        counts.nothing_s += gap
        counts.faults.append(f"{seconds:.1f} s: nothing")
    scene = observation.scene
    if scene is None or scene.thing_box is None or scene.activity is not Activity.REST:
        return
    boxes = [scene.thing_box, *(other.thing_box for other in scene.others)]
    if change == "mirrored":
        boxes = [Box(WIDTH - box.x - box.width, box.y, box.width, box.height) for box in boxes]
    around = [visit for visit in VISITS if visit.put_down - HELD_S <= seconds < visit.taken + 1]
    made = [box for box in boxes if all(overlap(box, visit.box) < SAME for visit in around)]
    if made:
        counts.made_s += gap
        counts.faults.append(f"{seconds:.1f} s: {', '.join(map(str, made))}")
    for visit in around:
        in_time = visit.put_down > 0 and seconds < visit.put_down + LONGEST_ANSWER_S
        if in_time and any(overlap(box, visit.box) >= SAME for box in boxes):
            counts.found.add(visit.put_down)
    next_held = min(
        (visit.put_down for visit in VISITS if visit.put_down > newest.put_down), default=np.inf
    )
    undisturbed = newest.put_down + LONGEST_ANSWER_S <= seconds < next_held - HELD_S
    if newest.put_down > 0 and undisturbed and overlap(boxes[0], newest.box) < SAME:
        counts.misled.add(newest.put_down)
        counts.faults.append(f"{seconds:.1f} s: about {boxes[0]}")


def _compressed(image: Image) -> Image:
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "as it is": lambda image: image,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "darker": lambda image: np.asarray(image * 0.55, np.uint8),
    "compressed": _compressed,
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--laps", type=int, default=1, help="how often to play it; the last counts")
    arguments = parser.parse_args()
    root = materials()
    if root is None:
        raise SystemExit("error: no clip here; name its folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    bundle = Bundle.open(prepare(RESULTS / "demonstration", CatalogSettings(), "embedded"))
    put_down = {visit.put_down for visit in VISITS if visit.put_down > 0}
    beside = {
        at for at in put_down if any(0 < other.put_down < at < other.taken for other in VISITS)
    }
    for change in CHANGES:
        counts = measure(bundle, root / CLIP, change, arguments.laps)
        print(
            f"{change:12} put-downs found {len(counts.found)} of {len(put_down)}, "
            f"newest first {len(beside - counts.misled)} of {len(beside)}, "
            f"wrong nothing {counts.nothing_s:.1f} s, "
            f"boxes where no bottle stands {counts.made_s:.1f} s"
        )
        for fault in counts.faults:
            print(f"    {fault}")


if __name__ == "__main__":
    main()
