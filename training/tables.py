"""Measure recall by the number of an item's photos and by a camera's faults.

The teachers are measured beside the network.

    python -m training.tables catalog/networks/embedded --plot training/robustness.png

Only the grocery photos are used: all their queries, and every `--every`-th of them for the
faults. Prints tables in Markdown.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from catalog.core.photos import decode
from training.data import Floats, Image
from training.errors import plain_errors
from training.evaluate import (
    Labels,
    as_featurizer,
    labelled,
    opened,
    photo_vectors,
    recall,
    vectors_of,
)
from training.photos import chosen_materials, folder_per_class
from training.teachers import TEACHERS

COUNTS = (1, 3, 5, 10)
SEEDS = 8
Fault = Callable[[Image, np.random.Generator], Image]


def blurred(picture: Image, rng: np.random.Generator) -> Image:
    """Out of focus: 1.2 % of the longer side."""
    sigma = 0.012 * max(picture.shape[:2])
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noisy(picture: Image, rng: np.random.Generator) -> Image:
    """Sensor noise with a deviation of 20 of 255."""
    return (picture + rng.normal(0, 20, picture.shape)).clip(0, 255).astype(np.uint8)


def dark(picture: Image, rng: np.random.Generator) -> Image:
    """A third of the light."""
    return (picture * 0.33).astype(np.uint8)


def turned(picture: Image, rng: np.random.Generator) -> Image:
    """Rolled by 30 degrees either way."""
    height, width = picture.shape[:2]
    angle = float(rng.choice([-30, 30]))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    out = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(out, np.uint8)


def coarse(picture: Image, rng: np.random.Generator) -> Image:
    """Half of the resolution."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def covered(picture: Image, rng: np.random.Generator) -> Image:
    """A grey band over 40 % of it, from a random side."""
    out = picture.copy()
    height, width = picture.shape[:2]
    side = int(rng.integers(4))
    if side < 2:
        band = round(height * 0.4)
        out[slice(0, band) if side == 0 else slice(height - band, height)] = 110
    else:
        band = round(width * 0.4)
        out[:, slice(0, band) if side == 2 else slice(width - band, width)] = 110
    return out


FAULTS: dict[str, Fault] = {
    "none": lambda picture, rng: picture,
    "blur": blurred,
    "noise": noisy,
    "darkness": dark,
    "30 degrees": turned,
    "half resolution": coarse,
    "40 % covered": covered,
}


def by_count(known: Floats, names: Labels, asked: Floats, wanted: Labels) -> list[float]:
    """Recall with 1, 3, 5 and 10 own photos an item, mean of 8 draws, and with all."""
    means = []
    for count in COUNTS:
        drawn = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            rows = np.concatenate(
                [
                    rng.permutation(np.flatnonzero(names == name))[:count]
                    for name in np.unique(names)
                ]
            )
            drawn.append(recall(known[rows], names[rows], asked, wanted))
        means.append(float(np.mean(drawn)))
    return [*means, recall(known, names, asked, wanted)]


def plot(rows: dict[str, dict[str, float]], file: Path) -> None:
    """Draw the faults' table as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
    places = np.arange(len(FAULTS))
    for number, (name, figures) in enumerate(rows.items()):
        axes.bar(places + 0.27 * (number - 1), list(figures.values()), 0.25, label=name)
    axes.set_xticks(places, list(FAULTS), fontsize=8)
    axes.set_ylabel("right first, per cent", fontsize=8)
    figure.legend(loc="outside upper center", ncols=len(rows), fontsize=8, frameon=False)
    figure.savefig(file, dpi=100)


def print_table(columns: Sequence[str], rows: Mapping[str, Sequence[float]]) -> None:
    """Print figures as a table in Markdown."""
    print("| | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for name, figures in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in figures) + " |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--plot", type=Path, help="picture of the second table")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--faults-only", action="store_true", help="only the second table")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    folder = chosen_materials(options.materials)
    grocery = folder / "data" / "grocery"
    clean = sorted((grocery / "iconic").glob("*.webp"))
    pairs = sorted(folder_per_class(grocery / "queries"))[:: options.every]
    networks = {"this network": opened(options.folder)} | {
        teacher.name: as_featurizer(teacher, folder / "models") for teacher in TEACHERS
    }
    labels = np.array([label for _, label in pairs])
    skus = np.array([p.stem for p in clean])
    faults: dict[str, dict[str, float]] = {}
    counts: dict[str, list[float]] = {}
    for name, network in networks.items():
        known, names = labelled(network, grocery / "photos")
        if not options.faults_only:
            asked, wanted = labelled(network, grocery / "queries")
            first = recall(photo_vectors(network, clean), skus, asked, wanted)
            counts[name] = [first, *by_count(known, names, asked, wanted)]
        faults[name] = {}
        for fault, spoilt in FAULTS.items():
            rng = np.random.default_rng(1)
            pictures = (spoilt(decode(p.read_bytes(), str(p)), rng) for p, _ in pairs)
            vectors = vectors_of(network, pictures)
            faults[name][fault] = recall(known, names, vectors, labels)
    if counts:
        print_table(["1 clean", *map(str, COUNTS), "all"], counts)
        print()
    print_table(list(FAULTS), {name: list(own.values()) for name, own in faults.items()})
    if options.plot is not None:
        plot(faults, options.plot)


if __name__ == "__main__":
    with plain_errors():
        main()
