"""Measure an exported network: recall on the photo sets and on the held-out drawn products.

python -m training.evaluate catalog/network [--cache CACHE] [--modes squash crop] [--dev]
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from training.data import Floats, Preprocessing, network_input, read_rgb
from training.drawn import MODES
from training.photos import chosen_materials, folder_per_class, held_back
from training.teachers import TEACHER_SIZE, Teacher, session

Labels = npt.NDArray[np.str_]
Bytes = npt.NDArray[np.uint8]


@dataclass
class Featurizer:
    """A network with its preprocessing."""

    net: onnxruntime.InferenceSession
    how: Preprocessing

    @classmethod
    def open(cls, folder: Path) -> "Featurizer":
        """An exported network."""
        described = json.loads((folder / "descriptor.json").read_text(encoding="utf-8"))
        mean, std = tuple(described["mean"]), tuple(described["std"])
        how = Preprocessing(
            described["size"], described["resize"], described["short_side"], mean, std
        )
        return cls(session(folder / described["network"]), how)

    @classmethod
    def teacher(cls, teacher: Teacher, models: Path) -> "Featurizer":
        """A pretrained network, with its usual preprocessing."""
        mean, std = (teacher.mean,) * 3, (teacher.std,) * 3
        how = Preprocessing(TEACHER_SIZE, "crop", TEACHER_SIZE * 8 // 7, mean, std)
        return cls(session(models / teacher.file), how)

    def vectors(self, pictures: Sequence[Bytes] | Bytes) -> Floats:
        """Unit vectors (n, d) of pictures."""
        out = []
        for i in range(0, len(pictures), 32):
            batch = np.stack([network_input(p, self.how) for p in pictures[i : i + 32]])
            out.append(self.net.run(["embedding"], {"input": batch})[0])
        joined = np.concatenate(out)
        return np.asarray(joined / np.linalg.norm(joined, axis=1, keepdims=True), np.float32)

    def photos(self, paths: Sequence[Path]) -> Floats:
        """Unit vectors (n, d) of picture files."""
        return np.concatenate(
            [
                self.vectors([read_rgb(p) for p in paths[i : i + 32]])
                for i in range(0, len(paths), 32)
            ]
        )


def recall(
    known: Floats, known_labels: Labels, asked: Floats, asked_labels: Labels, first: int = 1
) -> float:
    """Per cent of asked (q, d) with their label among the `first` nearest of known (n, d)."""
    similarity = asked @ known.T
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :first]
    return 100.0 * float((known_labels[nearest] == asked_labels[:, None]).any(1).mean())


def leave_one_out(
    vectors: Floats, labels: Labels, asking: npt.NDArray[np.bool_] | None = None
) -> float:
    """Per cent of the vectors (n, d) whose nearest other vector has their label.

    asking: (n,) which of them ask; all if left out.
    """
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    right = labels[similarity.argmax(1)] == labels
    return 100.0 * float(right.mean() if asking is None else right[asking].mean())


def labelled(
    featurizer: Featurizer, root: Path, starts: Sequence[str] = ("",)
) -> tuple[Floats, Labels]:
    """Vectors and labels of a folder-per-class set."""
    pairs = sorted(p for start in starts for p in folder_per_class(root, start))
    return featurizer.photos([p for p, _ in pairs]), np.array([label for _, label in pairs])


def photo_figures(featurizer: Featurizer, data: Path, dev: bool, aside: int) -> dict[str, float]:
    """The photo sets' figures; with `dev` only those that settings may be chosen by.

    aside: number of Caltech pool classes that were left out of training.
    """
    known, known_labels = labelled(featurizer, data / "grocery" / "photos")
    clean = sorted((data / "grocery" / "iconic").glob("*.webp"))
    icons, icon_labels = featurizer.photos(clean), np.array([p.stem for p in clean])
    asked, asked_labels = labelled(featurizer, data / "grocery" / ("dev" if dev else "queries"))
    start = "dev " if dev else ""
    figures = {
        start + "photos@1": recall(known, known_labels, asked, asked_labels),
        start + "iconic@1": recall(icons, icon_labels, asked, asked_labels),
        start + "iconic@5": recall(icons, icon_labels, asked, asked_labels, 5),
        start + "clothing@1": leave_one_out(
            *labelled(featurizer, data / "clothing", ("dev-",) if dev else ("dev-", "test-"))
        ),
    }
    if dev and aside:
        vectors, names = labelled(featurizer, data / "pool" / "caltech")
        asking = np.isin(names, sorted(held_back(data, aside)))
        figures["dev unseen@1"] = leave_one_out(vectors, names, asking)
    if not dev:
        figures["unseen@1"] = leave_one_out(*labelled(featurizer, data / "caltech-unseen"))
    return figures


def drawn_figures(featurizer: Featurizer, held: Any, mode: str) -> dict[str, float]:
    """Held-out drawn products: right first, also of look-alikes, and how unknown ones compare."""
    kept = featurizer.how
    if mode != "crop":  # the stored views are already squashed or letterboxed
        featurizer.how = replace(kept, resize="squash", short_side=None)
    sets = {name: held[f"{mode}-{name}"] for name in ("catalogue", "queries", "outside")}
    things, views = sets["catalogue"].shape[:2]
    known = featurizer.vectors(sets["catalogue"].reshape(-1, *sets["catalogue"].shape[2:]))
    asked = featurizer.vectors(sets["queries"].reshape(-1, *sets["queries"].shape[2:]))
    strange = featurizer.vectors(sets["outside"].reshape(-1, *sets["outside"].shape[2:]))
    featurizer.how = kept
    owner, truth = (
        np.repeat(np.arange(things), views),
        np.repeat(np.arange(things), sets["queries"].shape[1]),
    )
    similarity = asked @ known.T
    right = owner[similarity.argmax(1)] == truth
    own = np.where(owner[None] == truth[:, None], similarity, -2).max(1)
    outside = (strange @ known.T).max(1)
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


def milliseconds(net: onnxruntime.InferenceSession, size: int, rounds: int = 200) -> float:
    """Median time of one picture on one thread."""
    x = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        net.run(["embedding"], {"input": x})
        taken.append(time.perf_counter() - before)
    return statistics.median(taken) * 1000


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, help="folder with held.npz, of drawn products")
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--dev", action="store_true", help="only what settings may be chosen by")
    parser.add_argument(
        "--held-back", type=int, default=0, help="Caltech classes that the bank left out"
    )
    parser.add_argument("--short-side", type=int, help="of crop; 256 / 224 of the size if left out")
    parser.add_argument("--no-photos", action="store_true")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    folder = chosen_materials(options.materials)
    featurizer = Featurizer.open(options.folder)
    size = featurizer.how.size
    teacher = session(folder / "models" / "mobilenet_v2_1.0_224.onnx")
    own, other = milliseconds(featurizer.net, size), milliseconds(teacher, 160)
    print(f"{own:.2f} ms, beside MobileNetV2 at 160 pixels: {other:.2f} ms")
    short = options.short_side or round(size * 256 / 224)
    held = None if options.cache is None else np.load(options.cache / "held.npz")
    for mode in options.modes:
        featurizer.how = replace(
            featurizer.how,
            resize=mode,
            short_side=short if mode == "crop" else None,
        )
        figures: dict[str, float] = {}
        if not options.no_photos:
            figures |= photo_figures(featurizer, folder / "data", options.dev, options.held_back)
        if held is not None:
            figures |= drawn_figures(featurizer, held, mode)
        print(f"{mode}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
