"""Measure whether the device dares to say what it found, and whether its confidence is true.

    python -m bench.confidence [--networks embedded,efficientnet-lite0,embedded+efficientnet-lite0]

Catalogues of every second item, with one, two, four and up to twenty photos each, are queried with
photos of all items: those of the other items are foreign things, and alike. The confidence model
of each catalogue was taught by these networks' catalogues, without the photos of its source. The
looks are test photos.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.evidence import CACHE, RESULTS, made
from bench.materials import materials
from catalog.bundles.bundle import Bundle
from catalog.evaluation.evaluate import PhotoAnswer, distance, evaluate
from catalog.networks.models import open_model
from catalog.recognition import prior
from catalog.recognition.decision import GUESS_THRESHOLD, MOST_NAMED, Verdict, decide
from training.confidence.__main__ import CACHE as TAUGHT
from training.confidence.__main__ import NETWORKS, catalogues, write
from training.confidence.looks import Catalogue

COUNTS = (1, 2, 4, 20)  # photos of an item
LOOKS = 6  # of an item
FOREIGN = 0.05  # share of foreign things that may be named
Photos = dict[str, list[Path]]


def below(paths: Iterable[Path], each: int | None = None) -> Photos:
    """Photos by the name of their folder; at most so many of each, evenly spread."""
    found: Photos = {}
    for path in sorted(paths):
        found.setdefault(path.parent.name, []).append(path)
    if each is None:
        return found
    return {sku: places[:: max(1, len(places) // each)][:each] for sku, places in found.items()}


def sets(data: Path) -> dict[str, tuple[str, Photos, Photos]]:
    """For each set its source, the photos of its items, and the looks."""
    grocery = data / "grocery"
    clean = {path.stem: [path] for path in sorted((grocery / "iconic").glob("*.webp"))}
    queries = below((grocery / "queries").glob("*/*"), LOOKS)
    unseen = below((data / "caltech-unseen").glob("*/*"))
    return {
        "groceries": ("grocery", below((grocery / "photos").glob("*/*")), queries),
        "groceries, clean pictures": ("grocery", clean, queries),
        "clothing": (
            "clothing",
            below((data / "clothing").glob("*/train-*")),
            below((data / "clothing").glob("*/test-*"), 40),
        ),
        "kinds of things": (
            "caltech",
            {sku: places[::2] for sku, places in unseen.items()},
            {sku: places[1::2] for sku, places in unseen.items()},
        ),
        "coins": (
            "coins",
            below((data / "coins" / "train").glob("*/*")),
            below((data / "coins" / "test").glob("*/*")),
        ),
    }


def linked(photos: Photos, folder: Path) -> Path:
    """A folder for each item, with links to its photos."""
    for sku, places in photos.items():
        (folder / sku).mkdir(parents=True)
        for place in places:
            (folder / sku / place.name).symlink_to(place.resolve())
    return folder


def measured(bundle: Bundle, looks: Path) -> dict[str, float]:
    """What came of the looks, as shares."""
    found, answers = evaluate(bundle, looks, CACHE)
    own = [answer for answer in answers if answer.sku is not None]
    foreign = [answer for answer in answers if answer.sku is None]
    calibration = bundle.manifest.calibration
    threshold = calibration.rejection_threshold
    right_first = [answer for answer in own if answer.right]
    in_three = [answer for answer in own if answer.sku in _first_three(answer)]
    at_limit = float(np.quantile([_together(answer) for answer in foreign], 1 - FOREIGN))
    assert found.known is not None
    assert found.foreign is not None
    assert found.auroc is not None
    assert found.calibration_error is not None
    promised = calibration.expected_in_catalogue
    differences = [
        abs(getattr(promised, name) - getattr(found.known, name)) for name in promised.model_dump()
    ]
    return {
        "right first": len(right_first) / len(own),
        "in three": len(in_three) / len(own),
        "named rightly": _share(right_first, threshold, named=True),
        "named rightly at 5 %": np.mean(
            [_together(look) > at_limit for look in right_first]
        ).item(),
        "wrongly named": found.known.wrong,
        "foreign named": found.foreign.wrong + found.foreign.one_of,
        "on the screen": _share(in_three, threshold, named=False),
        "calibration error": found.calibration_error,
        "AUROC": found.auroc,
        "promise, largest difference": distance(promised, found.known),
        "promise, mean difference": float(np.mean(differences)),
    }


def _first_three(answer: PhotoAnswer) -> list[str]:
    return [match.sku for match in answer.matches[:MOST_NAMED]]


def _together(answer: PhotoAnswer) -> float:
    return sum(match.confidence or 0.0 for match in answer.matches[:MOST_NAMED])


def _share(answers: Sequence[PhotoAnswer], threshold: float, *, named: bool) -> float:
    """The share of answers that show the right item: named, or also among the guesses."""
    shown = 0
    for answer in answers:
        confidences = [match.confidence or 0.0 for match in answer.matches]
        verdict, count = decide(confidences, threshold, guess_threshold=GUESS_THRESHOLD)
        wanted = verdict in (Verdict.MATCH, Verdict.ONE_OF) or not named
        shown += wanted and answer.sku in [match.sku for match in answer.matches[:count]]
    return shown / max(len(answers), 1)


def without(source: str, taught: Sequence[Catalogue], folder: Path) -> Path:
    """Write what is taught without a source, and return its place."""
    path = folder / f"without-{source}.json"
    write([catalogue for catalogue in taught if catalogue.source != source], path)
    return path


def main() -> None:
    """Measure every set with every network and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--set", action="append", dest="sets", help="a set's name; default: all")
    parser.add_argument("--photos", type=int, nargs="*", default=COUNTS, help="of an item")
    options = parser.parse_args()
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    cv2.setNumThreads(1)
    RESULTS.mkdir(exist_ok=True)
    networks = options.networks.split(",")
    taught = catalogues(root, TAUGHT, networks)
    found: list[dict[str, object]] = []
    for name, (source, photos, looks) in sets(root / "data").items():
        if options.sets and name not in options.sets:
            continue
        prior.FILE = without(source, taught, TAUGHT)
        skus = sorted(photos)[::2]
        most = max(map(len, photos.values()))
        for network in networks:
            for count in [count for count in options.photos if count < 2 * most]:
                with tempfile.TemporaryDirectory() as folder:
                    chosen = {
                        sku: photos[sku][:: max(1, len(photos[sku]) // count)][:count]
                        for sku in skus
                    }
                    bundle = made(
                        linked(chosen, Path(folder, "catalogue")),
                        open_model(network, cache=CACHE),
                    )
                    row = measured(bundle, linked(looks, Path(folder, "looks")))
                found.append({"set": name, "network": network, "photos": count, **row})
                print(json.dumps(found[-1]), flush=True)
    if not found:
        sys.exit(f"error: no such set; there are: {', '.join(sets(root / 'data'))}")
    (RESULTS / "confidence.json").write_text(json.dumps(found, indent=1))
    table = Table(title="per cent; calibration error and AUROC as they are")
    for column in found[0]:
        table.add_column(column, justify="left" if column in ("set", "network") else "right")
    for row_ in found:
        table.add_row(*(_cell(name, value) for name, value in row_.items()))
    Console(width=200).print(table)


def _cell(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if name in ("calibration error", "AUROC") else f"{100 * value:.0f}"


if __name__ == "__main__":
    main()
