"""Cut the crops of the training photos and ask the teachers about them, once."""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from training.data import (
    CROPS_PER_PHOTO,
    STORED_SIZE,
    Image,
    chosen_materials,
    random_crop,
    read_rgb,
    resized,
    train_photos,
)

log = logging.getLogger(__name__)

TEACHER_SIZE = 224


@dataclass(frozen=True)
class Teacher:
    """A pretrained network that gives targets: file, and the offset and scale of its input."""

    file: str
    mean: float
    std: float


TEACHERS = (
    Teacher("efficientnet_lite0.onnx", 127.0, 128.0),
    Teacher("mobilenet_v2_1.0_224.onnx", 127.5, 127.5),
)


def session(file: Path) -> onnxruntime.InferenceSession:
    """An onnxruntime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def ask(
    net: onnxruntime.InferenceSession, teacher: Teacher, squares: list[Image]
) -> npt.NDArray[np.float32]:
    """Unit vectors of a teacher for (224, 224, 3) pictures: (n, dim) float32."""
    batch = (np.stack(squares).astype(np.float32) - teacher.mean) / teacher.std
    out = net.run(["embedding"], {"input": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))})[0]
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)


def prepare(materials: Path, cache: Path, seed: int) -> None:
    """Write `crops.npy` and `teachers.npy` into the cache folder."""
    photos = train_photos(materials / "data")
    nets = [session(materials / "models" / t.file) for t in TEACHERS]
    dim = sum(
        net.get_outputs()[-1].shape[-1]
        if isinstance(net.get_outputs()[-1].shape[-1], int)
        else 1280
        for net in nets
    )
    rows = len(photos) * CROPS_PER_PHOTO
    shape = (rows, STORED_SIZE, STORED_SIZE, 3)
    pictures = np.lib.format.open_memmap(cache / "crops.tmp.npy", "w+", np.uint8, shape)
    vectors = np.lib.format.open_memmap(cache / "teachers.tmp.npy", "w+", np.float16, (rows, dim))
    rng = np.random.default_rng(seed)
    for number, photo in enumerate(photos):
        picture = read_rgb(photo.path)
        cuts = [picture] + [random_crop(picture, rng) for _ in range(CROPS_PER_PHOTO - 1)]
        at = slice(number * CROPS_PER_PHOTO, (number + 1) * CROPS_PER_PHOTO)
        pictures[at] = np.stack([resized(cut, STORED_SIZE, STORED_SIZE) for cut in cuts])
        squares = [resized(cut, TEACHER_SIZE, TEACHER_SIZE) for cut in cuts]
        vectors[at] = np.concatenate(
            [ask(n, t, squares) for n, t in zip(nets, TEACHERS, strict=True)], axis=1
        )
        if number % 500 == 0:
            log.info("%d of %d photos", number, len(photos))
    pictures.flush()
    vectors.flush()
    (cache / "crops.tmp.npy").rename(cache / "crops.npy")
    (cache / "teachers.tmp.npy").rename(cache / "teachers.npy")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    options.cache.mkdir(parents=True, exist_ok=True)
    prepare(chosen_materials(options.materials), options.cache, options.seed)


if __name__ == "__main__":
    main()
