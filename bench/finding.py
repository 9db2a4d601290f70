"""Measure how well the thing in a cluttered picture is found, and what that gains.

    python -m bench.finding [--count 500] [--sheet sheet.png] [--drawn] [--vectors-only]

Pictures are composed of things, backgrounds and hands that no training used: the demonstration's
drawn goods, things cut out of clean pictures of groceries and of photos of unseen kinds of things;
photos of clothes and of unseen kinds, and drawn counters; the simulator's hands. Each picture shows
one thing, whose box is known.

Printed are the share of pictures whose first box overlaps the right one by 0.7 and more, and how
often the right item comes first where the whole picture is searched, the box that was found, and
the right box. Drawn goods have two studio photos each as a catalogue, the others one clean photo.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from bench.materials import materials
from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.box import Box, overlap, square_around
from catalog.core.photos import Picture, decode
from catalog.core.settings import CatalogSettings
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import ThingFinder
from catalog.sources.source import SourceItem
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.items import drawn_items
from catalog.synthetic.photos import photograph
from catalog.synthetic.render import Cutout
from edge.simulator.backgrounds import background
from edge.simulator.compose import Layer, flattened, layers
from edge.simulator.timeline import Showing, ShowingState, random_view
from edge.vision.picture_search import search_picture
from training.data import read_rgb
from training.finding.segment import cut_out

SEED = 2026
SIZE = (640, 480)
RIGHT = 0.7  # overlap from which a box is found
PHOTOS = 2  # studio photos of a drawn item
THERE = 0  # how far a thing that lies there is from its place


@dataclass(frozen=True, eq=False)
class Scene:
    """A composed picture.

    Attributes:
        image: BGR uint8 (480, 640, 3).
        box: The thing's box.
        sku: The thing's item.
        photo: The photo that the thing was cut out of; None for a drawn one.
    """

    image: Picture
    box: Box
    sku: str
    photo: Path | None


@dataclass(frozen=True, eq=False)
class RealThing:
    """A thing cut out of a photo, and the photo's file."""

    sku: str
    file: Path
    cutout: Cutout


class RealThings:
    """Things cut out of photos that no training used; a photo is cut when it is first chosen."""

    def __init__(self, data: Path) -> None:
        self._files = sorted((data / "grocery" / "iconic").glob("*.webp"))
        self._files += sorted((data / "caltech-unseen").glob("*/*.webp"))
        self._cut: dict[Path, Cutout | None] = {}

    def any(self, random: np.random.Generator) -> RealThing:
        """One of them; a photo without a plain background has none."""
        while True:
            file = self._files[int(random.integers(len(self._files)))]
            if file not in self._cut:
                self._cut[file] = cut_thing(file)
            cutout = self._cut[file]
            if cutout is not None:
                return RealThing(f"{file.parent.name}-{file.stem}", file, cutout)


def cut_thing(file: Path) -> Cutout | None:
    """Cut the thing out of a photo; None where its background is not plain."""
    rgba = cut_out(read_rgb(file))
    if rgba is None:
        return None
    rows, columns = np.nonzero(rgba[..., 3] > 96)
    part = rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGBA2BGRA), np.uint8)


def behind(data: Path | None, random: np.random.Generator) -> Picture:
    """A background that no training used: a drawn counter, or a part of a photo."""
    if data is None or random.random() < 0.3:
        return background(int(random.integers(2**31)), SIZE)
    files = sorted((data / "clothing").glob("*/dev-*.webp"))
    files += sorted((data / "caltech-unseen").glob("*/*.webp"))
    photo = cv2.cvtColor(read_rgb(files[int(random.integers(len(files)))]), cv2.COLOR_RGB2BGR)
    height, width = photo.shape[:2]
    wide = int(width * random.uniform(0.4, 0.9))
    high = min(height, round(wide * SIZE[1] / SIZE[0]))
    left, top = int(random.integers(width - wide + 1)), int(random.integers(height - high + 1))
    part = photo[top : top + high, left : left + wide]
    large = cv2.resize(part, SIZE, interpolation=cv2.INTER_CUBIC)
    blur = random.uniform(0, 4)
    return np.asarray(cv2.GaussianBlur(large, (0, 0), blur) if blur > 0.8 else large, np.uint8)


def showing(number: int, thing: DrawnItem, random: np.random.Generator) -> Showing:
    """A visit of a thing, of which only the moment counts in which it lies there."""
    return Showing(
        number=number,
        kind="item",
        thing=thing,
        start=0,
        rest=1,
        gap=0,
        view=random_view(random),
        size=float(random.uniform(0.25, 0.8)),
        x=float(random.uniform(0.25, 0.75)),
        y=float(random.uniform(0.35, 0.65)),
        side=int(random.integers(-1, 2)),
        in_hand=bool(random.random() < 0.35),
        seed=int(random.integers(2**31)),
    )


def with_real_thing(parts: Sequence[Layer], thing: RealThing) -> list[Layer]:
    """The same layers with a thing of a photo in the drawn thing's place, as large as that."""
    out = []
    for layer in parts:
        if layer.is_thing:
            rows, columns = layer.cutout.shape[:2]
            scale = max(rows, columns) / max(thing.cutout.shape[:2])
            size = [max(2, round(side * scale)) for side in thing.cutout.shape[1::-1]]
            solid = cv2.resize(thing.cutout, size, interpolation=cv2.INTER_CUBIC)
            x, y = layer.x + (columns - size[0]) // 2, layer.y + (rows - size[1]) // 2
            layer = replace(layer, cutout=np.asarray(solid, np.uint8), x=x, y=y)
        out.append(layer)
    return out


def scenes(count: int, data: Path | None) -> Iterator[Scene]:
    """Composed pictures, always the same; without data of drawn things alone."""
    items = drawn_items()
    real = None if data is None else RealThings(data)
    for number in range(count):
        random = np.random.default_rng([SEED, number])
        item = items[int(random.integers(len(items)))]
        parts = layers(showing(number, item, random), SIZE)
        chosen = None if real is None or number % 2 == 0 else real.any(random)
        if chosen is not None:
            parts = with_real_thing(parts, chosen)
        state = ShowingState(None, away=THERE, hand_away=THERE)
        placed = [layer.at(state) for layer in parts]
        box = next(piece for piece in placed if piece.is_thing).box(SIZE)
        assert box is not None, "a thing lies inside the picture"
        image = flattened(behind(data, random), placed)
        noisy = image + random.normal(0, random.uniform(1, 5), image.shape)
        image = np.asarray(np.clip(noisy, 0, 255), np.uint8)
        sku, photo = (item.sku, None) if chosen is None else (chosen.sku, chosen.file)
        yield Scene(image, Box(*box), sku, photo)


def reference_photos(chosen: Sequence[Scene], folder: Path) -> dict[str, list[Path]]:
    """The catalogue's photos of the items that the pictures show, by sku."""
    photos = {scene.sku: [scene.photo] for scene in chosen if scene.photo is not None}
    skus = {scene.sku for scene in chosen}
    for item in drawn_items():
        if item.sku in skus:
            photos[item.sku] = [folder / f"{item.sku}-{number}.png" for number in range(PHOTOS)]
            for number, place in enumerate(photos[item.sku]):
                cv2.imwrite(str(place), photograph(item, number))
    return photos


Answers = Callable[[Picture, Box | None], str]  # the sku that comes first for a part of a picture


def by_vectors(photos: dict[str, list[Path]]) -> Answers:
    """Answer by the nearest vector of the embedded network."""
    embedded = Featurizer.open()
    places = [(sku, place) for sku, own in photos.items() for place in own]
    vectors = np.concatenate(
        [embedded.embed([decode(place.read_bytes(), place.name)]) for _, place in places]
    )

    def answer(image: Picture, part: Box | None) -> str:
        vector = embedded.embed([image if part is None else part.cut(image)])[0]
        return places[int(np.argmax(vectors @ vector))][0]

    return answer


def with_everything(photos: dict[str, list[Path]], folder: Path) -> Answers:
    """Answer as the device does, by vectors, local features and colours."""
    items = [SourceItem(Item(sku, sku), tuple(map(str, own))) for sku, own in photos.items()]
    out = folder / "things.bundle"
    build(items, out, Featurizer.open(), CatalogSettings().cache, "things")
    bundle = Bundle.open(out)

    def answer(image: Picture, part: Box | None) -> str:
        found = search_picture(bundle, image, part, whole=True).found
        return found[0].sku if found else ""

    return answer


def milliseconds(finder: ThingFinder, image: Picture, times: int = 60) -> tuple[float, float]:
    """Median processor milliseconds of the finder and of the embedded network, in turn."""
    cv2.setNumThreads(1)
    embedded = Featurizer.open()
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        start = time.process_time()
        finder.find(image)
        between = time.process_time()
        embedded.embed([image])
        taken[0].append((between - start) * 1000)
        taken[1].append((time.process_time() - between) * 1000)
    return statistics.median(taken[0]), statistics.median(taken[1])


def sheet(chosen: Sequence[Scene], boxes: Sequence[Box | None], file: Path) -> None:
    """Draw the pictures whose boxes fit worst: green is right, red was found."""
    order = np.argsort([_overlap(box, scene) for scene, box in zip(chosen, boxes, strict=True)])
    tiles = []
    for number in order[:60]:
        scene, found = chosen[number], boxes[number]
        image = scene.image.copy()
        for box, colour in ((scene.box, (0, 200, 0)), (found, (0, 0, 255))):
            if box is not None:
                end = (box.x + box.width, box.y + box.height)
                cv2.rectangle(image, (box.x, box.y), end, colour, 5)
        tiles.append(cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 10)
    rows = [np.concatenate(tiles[start : start + 10], 1) for start in range(0, len(tiles), 10)]
    cv2.imwrite(str(file), np.concatenate(rows))


def _overlap(box: Box | None, scene: Scene) -> float:
    return 0.0 if box is None else overlap(box, scene.box)


def _shares(chosen: Sequence[Scene], overlaps: Sequence[float]) -> dict[str, float]:
    kinds = {"all": [True] * len(chosen), "drawn": [scene.photo is None for scene in chosen]}
    kinds["photos"] = [scene.photo is not None for scene in chosen]
    return {
        name: round(float(np.mean(np.array(overlaps)[own] >= RIGHT)), 3)
        for name, own in kinds.items()
        if any(own)
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--sheet", type=Path, help="where to draw the worst pictures")
    parser.add_argument("--drawn", action="store_true", help="drawn things and backgrounds only")
    parser.add_argument(
        "--vectors-only", action="store_true", help="compare vectors alone, which takes less time"
    )
    parser.add_argument("--boxes", action="store_true", help="measure the boxes alone")
    given = parser.parse_args()
    root = materials()
    data = None if root is None or given.drawn else root / "data"
    chosen = list(scenes(given.count, data))
    finder = ThingFinder()
    findings = [finder.look(scene.image) for scene in chosen]
    boxes = [found.boxes[0] if found.boxes else None for found in findings]
    overlaps = [_overlap(box, scene) for scene, box in zip(chosen, boxes, strict=True)]
    print(json.dumps({"pictures": len(chosen), "box_found": _shares(chosen, overlaps)}), flush=True)
    if given.sheet:
        sheet(chosen, boxes, given.sheet)
    if given.boxes:
        return
    found_ms, embedded_ms = milliseconds(finder, chosen[0].image)
    print(json.dumps({"finder_ms": found_ms, "embedded_ms": embedded_ms}), flush=True)
    with tempfile.TemporaryDirectory() as name:
        photos = reference_photos(chosen, Path(name))
        answer = by_vectors(photos) if given.vectors_only else with_everything(photos, Path(name))
        true = [square_around(scene.box, 1, *SIZE) for scene in chosen]
        for what, parts in (
            ("whole", [None] * len(chosen)),
            ("found", [found.part for found in findings]),
            ("true", true),
        ):
            right = [
                answer(scene.image, part) == scene.sku
                for scene, part in zip(chosen, parts, strict=True)
            ]
            print(json.dumps({"searched": what, "right_first": round(float(np.mean(right)), 3)}))


if __name__ == "__main__":
    main()
