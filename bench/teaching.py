"""Measure teaching: three views of a thing under the simulated camera, and what is said later.

    python -m bench.teaching [--things 40] [--photographed 20] [--others 1000] [--seed 91001]

Each drawn thing is in no catalogue, and is shown on one simulated counter until three views of it
were taken. Later it is shown twice on another counter, beside the demonstration catalogue, or so
many photographed items, and all other taught things. Of each photographed item three photos are
taught, and up to four others are asked, all of them whole. The last figures are for 1,000 taught
items.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.materials import materials
from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.bundles.match import Match
from catalog.bundles.overlay import AddedPhoto, Additions
from catalog.core.box import Box
from catalog.core.photos import decode
from catalog.core.settings import CatalogSettings
from catalog.core.vectors import normalised
from catalog.networks.models import open_model
from catalog.recognition.decision import Verdict
from catalog.recognition.descriptors import Descriptors
from catalog.sources.source import SourceItem
from catalog.synthetic.drawing import DrawnItem
from catalog.synthetic.foreign import HELD_OUT, foreign_things
from edge.cli.demo import prepare
from edge.sighting import Frame
from edge.simulator.simulator import Simulator
from edge.taught.collecting import Progress, View
from edge.taught.taught import Taught
from edge.taught.wish import Wish
from edge.vision.picture_search import Observation, search_picture
from edge.vision.recognizer import Recognizer

SEED = 91_001
OTHERS = Path("data", "pool")  # photos of which each is an item of its own
PHOTOGRAPHED, MOST_ASKED = Path("data", "grocery", "queries"), 4  # photos of each item
WANTED, LATER, MOST_SHOWINGS = 3, 2, 8
STEP_S = 0.25  # between two frames
MANY = 1000  # taught items, three photos each
RESULTS = Path("bench-results")
_numbers = itertools.count(1)


def showings(simulator: Simulator) -> Iterator[list[Frame]]:
    """The frames of one showing after the other: the empty counter, then the thing at rest."""
    random = np.random.default_rng(simulator.seed)
    for number in itertools.count():
        resting = simulator.resting(number)
        images = [simulator.empty(number)] * 6
        images += [simulator.frame(index)[0] for index in resting[1:8]]
        frames = []
        for image in images:
            noise = random.integers(0, 2, image.shape, np.uint8)
            at = next(_numbers)
            frames.append(Frame(np.asarray(cv2.add(image, noise), np.uint8), at * STEP_S, at))
        yield frames


def watch(
    recognizer: Recognizer,
    frames: list[Frame],
    heard: Callable[[Frame, Observation], None] = lambda frame, observation: None,
) -> Observation:
    """Show frames, and return the last observation."""
    for frame in frames:
        observation = recognizer.observe(frame)
        heard(frame, observation)
    return observation


def teach(bundle: Bundle, taught: Taught, thing: DrawnItem, seed: int) -> tuple[str, int, float]:
    """Teach a thing; gives its sku, how many showings that took, and the seconds of saving."""
    recognizer = Recognizer(bundle)
    taught.collector.begin()
    progress = Progress()
    for count, frames in enumerate(showings(Simulator(seed, [thing], foreign=False)), 1):
        watch(recognizer, frames, taught.collector.observed)
        progress = taught.collector.progress() or progress
        if len(progress.views) >= WANTED or count >= MOST_SHOWINGS:
            break
    began = time.perf_counter()
    item = taught.save(Wish(title=thing.sku), progress.views)
    return item.sku, count, time.perf_counter() - began


def measure(bundle: Bundle, folder: Path, count: int, photographed: int, seed: int) -> None:
    """Teach, show again, and print what was said."""
    taught = Taught(folder)
    taught.use(bundle)
    things = list(foreign_things(seed, count, HELD_OUT))
    before = Counter(
        watch(
            Recognizer(bundle),
            next(showings(Simulator(seed + 5000 + place, [thing], foreign=False))),
        ).decision.verdict
        for place, thing in enumerate(things)
    )
    print(f"before: {dict(before)}", flush=True)
    skus, shown, saving = zip(
        *(teach(bundle, taught, thing, seed + place) for place, thing in enumerate(things)),
        strict=True,
    )
    print(f"showings until three views: mean {np.mean(shown):.1f}, most {max(shown)}")
    print(f"saving: p50 {_ms(saving, 0.5)}, p95 {_ms(saving, 0.95)}", flush=True)
    counts: Counter[str] = Counter()
    for place, thing in enumerate(things):
        recognizer = Recognizer(bundle)
        later = showings(Simulator(seed + 9000 + place, [thing], foreign=False))
        for frames in itertools.islice(later, LATER):
            firsts: list[str] = []

            def hear(frame: Frame, observation: Observation, firsts: list[str] = firsts) -> None:
                if observation.features is not None and observation.found:
                    firsts.append(observation.found[0].sku)

            decision = watch(recognizer, frames, hear).decision
            _count(counts, skus[place], firsts[-1] if firsts else None, decision.matches)
            counts["nothing"] += decision.verdict is Verdict.NOTHING
    print(f"{count} drawn things:")
    _print_counts(counts)
    print(f"of the unknown, nothing was seen: {counts['nothing']}")
    if photographed:
        measure_photographed(bundle, taught, photographed)
    _measure_many(bundle, taught)


def measure_photographed(bundle: Bundle, taught: Taught, count: int) -> None:
    """Teach items of which there are photos by others' hands, and ask with further photos."""
    folder = materials()
    if folder is None:
        print("no photos are here; VISUAL_SEARCH_MATERIALS names their folder")
        return
    random = np.random.default_rng(SEED)
    items = sorted(path for path in (folder / PHOTOGRAPHED).iterdir() if path.is_dir())
    photos = {
        item.name: sorted(item.iterdir())
        for item in (items[place] for place in random.permutation(len(items)))
        if len(list(item.iterdir())) >= WANTED + MOST_ASKED
    }
    chosen = dict(itertools.islice(photos.items(), count))
    network = bundle.featurizer.network_id
    for sku, files in chosen.items():
        views = []
        for number, file in enumerate(files[:WANTED]):
            picture = decode(file.read_bytes(), file.name)
            height, width = picture.shape[:2]
            raw = bundle.featurizer.raw([picture])[0]
            box = Box(0, 0, width, height)
            views.append(View(-number, picture, raw, box, (width, height), network))
        taught.save(Wish(sku=f"photographed-{sku}", title=sku), views)
    counts: Counter[str] = Counter()
    for sku, files in chosen.items():
        for file in files[WANTED : WANTED + MOST_ASKED]:
            observation = search_picture(
                bundle, decode(file.read_bytes(), file.name), None, whole=True
            )
            found, matches = observation.found, observation.decision.matches
            _count(counts, f"photographed-{sku}", found[0].sku if found else None, matches)
    print(f"{len(chosen)} photographed items:")
    _print_counts(counts)


def _count(counts: Counter[str], sku: str, first: str | None, matches: Sequence[Match]) -> None:
    named = matches[0].sku if matches else None
    counts["looks"] += 1
    counts["first"] += first == sku
    counts["named"] += named == sku
    counts["wrong"] += named not in (None, sku)
    counts["unknown"] += named is None


def _print_counts(counts: Counter[str]) -> None:
    looks = counts["looks"]
    for name in ("first", "named", "wrong", "unknown"):
        print(f"{name:<8} {counts[name]} of {looks} ({counts[name] / looks:.1%})", flush=True)


def build_others(folder: Path, count: int) -> Path:
    """Build a catalogue of so many photographed items, one photo each, unless it is there."""
    out = folder / f"others-{count}.bundle"
    data = materials()
    if out.exists() or data is None:
        return out
    files = sorted(path for path in (data / OTHERS).rglob("*") if path.is_file())
    order = np.random.default_rng(SEED).permutation(len(files))[:count]
    items = [
        SourceItem(Item(f"other-{place}", files[place].parent.name), (str(files[place]),))
        for place in order.tolist()
    ]
    build(items, out, open_model("embedded"), folder / "cache", "Others")
    return out


def _measure_many(bundle: Bundle, taught: Taught) -> None:
    """What 1,000 taught items cost an answer, and joining them a catalogue."""
    views = taught.store.features(bundle.featurizer.network_id)
    random = np.random.default_rng(SEED)
    source = list(views.values())
    raw = np.stack([source[number % len(source)].raw for number in range(3 * MANY)])
    raw += random.normal(0, raw.std(), raw.shape).astype(np.float32)
    vectors = bundle.featurizer.vectors(normalised(raw))
    described = [
        _jittered(source[number % len(source)].descriptors, random) for number in range(3 * MANY)
    ]
    photos = tuple(
        AddedPhoto(number, f"own-{number // 3}", vector, descriptors, 1, 1, "")
        for number, (vector, descriptors) in enumerate(zip(vectors, described, strict=True))
    )
    items = tuple(Item(f"own-{number}", f"Own {number}") for number in range(MANY))
    plain = _answer_ms(bundle, Additions())
    for photo in photos:
        if photo.descriptors.local_features is not None:
            _ = photo.descriptors.local_features.words
    began = time.perf_counter()
    bundle.add(Additions(items, photos))
    bundle.identify(vectors[0], bundle.describe(np.zeros((64, 64, 3), np.uint8)))
    print(f"joining {MANY:,} items: {1000 * (time.perf_counter() - began):.0f} ms")
    more = _answer_ms(bundle, Additions(items, photos))
    print(f"an answer, processor time: {plain:.1f} ms; with {MANY:,} taught items {more:.1f} ms")


def _answer_ms(bundle: Bundle, additions: Additions) -> float:
    """The median processor time of an answer after the network, in milliseconds."""
    bundle.add(additions)
    pictures = [
        decode(bundle.thumbnail(number) or b"", "a thumbnail")
        for number in range(0, bundle.manifest.photos, max(1, bundle.manifest.photos // 40))
    ]
    took = []
    for picture in pictures:
        vector = bundle.featurizer.embed([picture])[0]
        query = bundle.describe(picture)
        began = time.thread_time()
        bundle.identify(vector, query)
        took.append(1000 * (time.thread_time() - began))
    return float(np.median(took))


def _jittered(descriptors: Descriptors, random: np.random.Generator) -> Descriptors:
    """Descriptors of another picture: each local feature a little elsewhere."""
    local = descriptors.local_features
    if local is None:
        return descriptors
    codes = local.codes + random.integers(-12, 13, local.codes.shape)
    return replace(
        descriptors,
        local_features=replace(local, codes=np.clip(codes, -127, 127).astype(np.int8)),
    )


def _ms(seconds: tuple[float, ...], share: float) -> str:
    return f"{1000 * float(np.quantile(seconds, share)):.0f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--things", type=int, default=40)
    parser.add_argument("--photographed", type=int, default=20)
    parser.add_argument("--others", type=int, help="so many photographed items in the catalogue")
    parser.add_argument("--seed", type=int, default=SEED, help="chooses the drawn things")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.others:
        bundle = build_others(RESULTS / "teaching", arguments.others)
    else:
        bundle = prepare(RESULTS / "demonstration", CatalogSettings(), "embedded")
    with tempfile.TemporaryDirectory() as folder:
        measure(
            Bundle.open(bundle),
            Path(folder),
            arguments.things,
            arguments.photographed,
            arguments.seed,
        )


if __name__ == "__main__":
    main()
