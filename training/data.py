"""The photo sets, the one preprocessing path, and the prepared crops with their teacher vectors."""

import csv
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from catalog.materials import materials

Image = npt.NDArray[np.uint8]
"""A picture: (height, width, 3) uint8, RGB."""

Floats = npt.NDArray[np.float32]

TRAIN_SETS = ("grocery", "clothing", "caltech", "trashnet")
CROPS_PER_PHOTO = 5
STORED_SIZE = 160
GREY = 128

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photo:
    """One labelled photo: its file, the index of its set in TRAIN_SETS, its class name."""

    path: Path
    group: int
    label: str


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input; the same fields as `descriptor.json`."""

    size: int
    resize: str
    short_side: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def chosen_materials(given: Path | None) -> Path:
    """The folder with `data` and `models`: the given one, else the project's usual one."""
    folder = given or materials()
    if folder is None:
        raise OSError("no training materials: name their folder in VISUAL_SEARCH_MATERIALS")
    return folder


def folder_per_class(root: Path, start: str = "") -> Iterator[tuple[Path, str]]:
    """Sorted (file, class) pairs of a folder-per-class set, of files whose names begin so."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        for file in sorted(folder.glob(f"{start}*.webp")):
            yield file, folder.name


def train_photos(root: Path) -> list[Photo]:
    """The photos that may be trained on, in a fixed order; `root` is the folder `data`."""
    found = (
        folder_per_class(root / "grocery" / "photos"),
        folder_per_class(root / "clothing", "train-"),
        folder_per_class(root / "pool" / "caltech"),
        folder_per_class(root / "pool" / "trashnet"),
    )
    return [Photo(path, group, label) for group, pairs in enumerate(found) for path, label in pairs]


def class_numbers(photos: list[Photo]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Class number of each photo within its set, (n,) int64, and each set's number of classes."""
    names = [sorted({p.label for p in photos if p.group == g}) for g in range(len(TRAIN_SETS))]
    index = [{name: i for i, name in enumerate(group)} for group in names]
    return np.array([index[p.group][p.label] for p in photos], np.int64), [len(n) for n in names]


def coarse_kinds(root: Path) -> dict[str, str]:
    """The coarse kind of each grocery product, by sku."""
    with (root / "grocery" / "items.csv").open(encoding="utf-8", newline="") as file:
        return {row["sku"]: row["coarse"] for row in csv.DictReader(file)}


def read_rgb(path: Path) -> Image:
    """Decode a picture file into RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise OSError(f"not a readable picture: {path}")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def resized(picture: Image, width: int, height: int) -> Image:
    """Resize with area averaging when shrinking and bilinear interpolation otherwise."""
    shrinking = width < picture.shape[1] or height < picture.shape[0]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def fitted(picture: Image, size: int, resize: str, short_side: int | None = None) -> Image:
    """Bring a picture to (size, size, 3) by `squash`, `crop` or `letterbox`."""
    height, width = picture.shape[:2]
    if resize == "squash":
        return resized(picture, size, size)
    if resize == "crop":
        scale = (short_side or size) / min(height, width)
        picture = resized(
            picture, max(size, round(width * scale)), max(size, round(height * scale))
        )
        top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
        return picture[top : top + size, left : left + size]
    if resize != "letterbox":
        raise ValueError(f"unknown resize mode: {resize}")
    scale = size / max(height, width)
    picture = resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    top, left = (size - picture.shape[0]) // 2, (size - picture.shape[1]) // 2
    square = np.full((size, size, 3), GREY, np.uint8)
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square


def network_input(picture: Image, how: Preprocessing) -> Floats:
    """The network's input for one picture, (3, size, size) float32."""
    square = fitted(picture, how.size, how.resize, how.short_side).astype(np.float32)
    normal = (square - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def random_crop(picture: Image, rng: np.random.Generator) -> Image:
    """A random part of a picture: 30 to 100 % of its area, aspect changed by up to 4:3."""
    height, width = picture.shape[:2]
    for _ in range(10):
        area = rng.uniform(0.30, 1.0) * height * width
        aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if w <= width and h <= height:
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            return picture[top : top + h, left : left + w]
    return picture


class Crops:
    """Prepared crops of the training photos and what the teachers say about each.

    `pictures`: (n, STORED_SIZE, STORED_SIZE, 3) uint8, memory-mapped; `photo`: (n,) int64, the
    row in `train_photos`; `vectors`: (n, dim) float16, the teachers' unit vectors side by side.
    """

    def __init__(self, cache: Path) -> None:
        self.pictures = np.load(cache / "crops.npy", mmap_mode="r")
        self.vectors = np.load(cache / "teachers.npy", mmap_mode="r")
        self.photo = np.repeat(np.arange(len(self.pictures) // CROPS_PER_PHOTO), CROPS_PER_PHOTO)


def targets(vectors: npt.NDArray[np.float16], dimensions: int) -> Floats:
    """Teacher vectors, centred, on their main axes, made unit: (n, dimensions) float32."""
    sample = vectors[:: max(1, len(vectors) // 12000)].astype(np.float32)
    mean = sample.mean(0)
    _, axes = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    main = axes[:, ::-1][:, :dimensions].astype(np.float32)
    parts = [
        (vectors[i : i + 4096].astype(np.float32) - mean) @ main
        for i in range(0, len(vectors), 4096)
    ]
    out = np.concatenate(parts)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)
