"""Measure an exported network: recall on the photo sets and on the held-out drawn products.

python -m training.evaluate catalog/networks/embedded [--cache CACHE] [--modes squash crop] [--dev]
"""

import argparse
import copy
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from catalog.core.photos import Picture, decode
from catalog.core.vectors import normalised
from catalog.networks.network import Descriptor, Network, read_descriptor
from training.data import Floats
from training.drawn import MODES
from training.errors import plain_errors
from training.photos import chosen_materials, folder_per_class, held_back
from training.teachers import TEACHER_SIZE, TEACHERS, Teacher

Labels = npt.NDArray[np.str_]
Resize = Literal["crop", "letterbox", "squash"]
MOBILE = next(teacher for teacher in TEACHERS if teacher.name == "MobileNetV2")
ENGINE = "onnxruntime"
AT_ONCE = 32


def opened(folder: Path, resize: Resize | None = None, short_side: int | None = None) -> Network:
    """Open the network of a featurizer folder, perhaps with another way to resize pictures."""
    descriptor = read_descriptor(folder)
    if resize is not None:
        short = short_side or round(descriptor.size * 8 / 7)
        descriptor = replace(
            descriptor, resize=resize, short_side=short if resize == "crop" else None
        )
    return Network(folder, descriptor, ENGINE)


def as_featurizer(teacher: Teacher, models: Path, size: int = TEACHER_SIZE) -> Network:
    """A pretrained network with its usual preprocessing, at `size` pixels."""
    descriptor = Descriptor(
        name=teacher.name,
        network=teacher.file,
        output="embedding",
        size=size,
        mean=(teacher.mean,) * 3,
        std=(teacher.std,) * 3,
        short_side=size * 8 // 7,
    )
    return Network(models, descriptor, ENGINE)


def vectors_of(network: Network, pictures: Iterable[Picture]) -> Floats:
    """Unit vectors (n, d) of BGR pictures, a few at a time."""
    rest, found = iter(pictures), []
    while some := list(islice(rest, AT_ONCE)):
        found.append(normalised(network.raw(some)))
    return np.concatenate(found)


def photo_vectors(network: Network, paths: Sequence[Path]) -> Floats:
    """Unit vectors (n, d) of picture files."""
    enough = network.descriptor.enough
    return vectors_of(network, (decode(p.read_bytes(), str(p), enough) for p in paths))


def recall(
    known: Floats, known_labels: Labels, asked: Floats, asked_labels: Labels, first: int = 1
) -> float:
    """Per cent of the queries `asked` (q, d) whose label is among the nearest of `known` (n, d).

    first: how many of the nearest count.
    """
    similarity = asked @ known.T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :first]
    return 100.0 * float((known_labels[nearest] == asked_labels[:, None]).any(1).mean())


def leave_one_out(
    vectors: Floats, labels: Labels, asking: npt.NDArray[np.bool_] | None = None
) -> float:
    """Per cent of the vectors (n, d) whose nearest other vector has the same label.

    asking: (n,) which of them are queries; all by default.
    """
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    right = labels[similarity.argmax(1)] == labels
    return 100.0 * float(right.mean() if asking is None else right[asking].mean())


def labelled(network: Network, root: Path, starts: Sequence[str] = ("",)) -> tuple[Floats, Labels]:
    """Vectors and labels of a folder-per-class set."""
    pairs = sorted(p for start in starts for p in folder_per_class(root, start))
    return photo_vectors(network, [p for p, _ in pairs]), np.array([label for _, label in pairs])


def photo_figures(network: Network, data: Path, aside: int, *, dev: bool) -> dict[str, float]:
    """Measure on the photo sets; with `dev` only on those that settings may be chosen by.

    aside: number of Caltech pool classes that were left out of training.
    """
    known, known_labels = labelled(network, data / "grocery" / "photos")
    clean = sorted((data / "grocery" / "iconic").glob("*.webp"))
    icons, icon_labels = photo_vectors(network, clean), np.array([p.stem for p in clean])
    asked, asked_labels = labelled(network, data / "grocery" / ("dev" if dev else "queries"))
    start = "dev " if dev else ""
    figures = {
        start + "photos@1": recall(known, known_labels, asked, asked_labels),
        start + "iconic@1": recall(icons, icon_labels, asked, asked_labels),
        start + "iconic@5": recall(icons, icon_labels, asked, asked_labels, 5),
        start + "clothing@1": leave_one_out(
            *labelled(network, data / "clothing", ("dev-",) if dev else ("dev-", "test-"))
        ),
    }
    if dev and aside:
        vectors, names = labelled(network, data / "pool" / "caltech")
        asking = np.isin(names, sorted(held_back(data, aside)))
        figures["dev unseen@1"] = leave_one_out(vectors, names, asking)
    if not dev:
        figures["unseen@1"] = leave_one_out(*labelled(network, data / "caltech-unseen"))
    return figures


def drawn_figures(network: Network, held: Any, mode: str) -> dict[str, float]:
    """Measure on held-out drawn products: recall, also among look-alikes, and unknown products."""
    if mode != "crop":  # the stored views are already squashed or letterboxed
        network = copy.copy(network)
        network.descriptor = replace(network.descriptor, resize="squash", short_side=None)
    sets = {name: held[f"{mode}-{name}"] for name in ("catalogue", "queries", "outside")}
    things, views = sets["catalogue"].shape[:2]
    known, asked, unknown = (
        vectors_of(network, pictures.reshape(-1, *pictures.shape[2:])[..., ::-1])
        for pictures in sets.values()
    )
    owner, truth = (
        np.repeat(np.arange(things), views),
        np.repeat(np.arange(things), sets["queries"].shape[1]),
    )
    similarity = asked @ known.T
    right = owner[similarity.argmax(1)] == truth
    own = np.where(owner[None] == truth[:, None], similarity, -2).max(1)
    outside = (unknown @ known.T).max(1)
    threshold = np.quantile(outside, 0.95)
    grouped = held["grouped"][truth]
    return {
        "drawn@1": 100.0 * float(right.mean()),
        "look-alikes@1": 100.0 * float(right[grouped].mean()),
        "own median": float(np.median(own)),
        "own 5 %": float(np.quantile(own, 0.05)),
        "outside median": float(np.median(outside)),
        "outside 95 %": float(threshold),
        "known above outside 95 %": 100.0 * float((own > threshold).mean()),
    }


def milliseconds(own: Network, other: Network, rounds: int = 200) -> tuple[float, float]:
    """Median milliseconds of two networks, in turn, so that both run on an equally busy machine."""
    rng = np.random.default_rng(0)
    both = [
        (net, rng.normal(size=(1, 3, net.descriptor.size, net.descriptor.size)).astype(np.float32))
        for net in (own, other)
    ]
    taken: list[list[float]] = [[], []]
    for _ in range(rounds):
        for times, (net, pixels) in zip(taken, both, strict=True):
            before = time.perf_counter()
            net.run(pixels)
            times.append(1000 * (time.perf_counter() - before))
    return statistics.median(taken[0]), statistics.median(taken[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, help="folder with held.npz, of drawn products")
    parser.add_argument(
        "--modes", nargs="*", choices=MODES, help="ways to resize; the descriptor's if left out"
    )
    parser.add_argument("--dev", action="store_true", help="only what settings may be chosen by")
    parser.add_argument(
        "--held-back", type=int, default=0, help="Caltech classes that the bank left out"
    )
    parser.add_argument(
        "--short-side", type=int, help="of --modes crop; 256 / 224 of the size if left out"
    )
    parser.add_argument("--no-photos", action="store_true")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    folder = chosen_materials(options.materials)
    mobile = as_featurizer(MOBILE, folder / "models", 160)
    own, other = milliseconds(opened(options.folder), mobile)
    print(f"{own:.2f} ms, beside MobileNetV2 at 160 pixels: {other:.2f} ms")
    held = None if options.cache is None else np.load(options.cache / "held.npz")
    for chosen in options.modes or [None]:
        network = opened(options.folder, chosen, options.short_side)
        mode = network.descriptor.resize
        figures: dict[str, float] = {}
        if not options.no_photos:
            figures |= photo_figures(network, folder / "data", options.held_back, dev=options.dev)
        if held is not None:
            figures |= drawn_figures(network, held, mode)
        print(f"{mode}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()))


if __name__ == "__main__":
    with plain_errors():
        main()
