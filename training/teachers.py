"""Embed pictures with the pretrained teacher networks, on common axes.

Both teachers' embeddings, each of unit length, are concatenated, centred, projected onto the 256
principal axes of many such vectors, and partly whitened. The network learns to give the same 256
numbers.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino

from catalog.core.errors import ContentError
from training.data import Floats, Image, random_crop, read_rgb, resized
from training.photos import Photo

TEACHER_SIZE = 224
SPACE = "space.npz"


@dataclass(frozen=True)
class Teacher:
    """A pretrained network that gives targets: file, and the offset and scale of its input."""

    name: str
    file: str
    mean: float
    std: float


TEACHERS = (
    Teacher("EfficientNet-Lite0", "efficientnet_lite0.onnx", 127.0, 128.0),
    Teacher("MobileNetV2", "mobilenet_v2_1.0_224.onnx", 127.5, 127.5),
)


class Teachers:
    """Runs all teachers on (224, 224, 3) uint8 pictures.

    OpenVINO runs them, in bfloat16 where the processor has it. On the machine of the last run that
    was three times as fast as onnxruntime, at a cosine of 0.996 on the axes and the same recall.
    """

    def __init__(self, models: Path, threads: int = 1) -> None:
        core = openvino.Core()
        how = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "bf16",
        }
        self.nets = [
            (teacher, core.compile_model(models / teacher.file, "CPU", how)) for teacher in TEACHERS
        ]

    def __call__(self, squares: list[Image]) -> Floats:
        """Embeddings side by side, each of unit length: (n, 2560) float32."""
        pixels = np.ascontiguousarray(np.stack(squares).transpose(0, 3, 1, 2), np.float32)
        out = []
        for teacher, net in self.nets:
            found = net((pixels - teacher.mean) / teacher.std)["embedding"]
            out.append(found / np.linalg.norm(found, axis=1, keepdims=True))
        return np.asarray(np.concatenate(out, 1), np.float32)


@dataclass(frozen=True)
class Space:
    """The common axes: `mean` (d,) and `axes` (d, dimensions) float32."""

    mean: Floats
    axes: Floats

    @classmethod
    def fitted(cls, vectors: Floats, dimensions: int, whiten: float) -> "Space":
        """The main axes of vectors (n, d); `whiten` 1 would give all axes the same variance."""
        mean = vectors.mean(0)
        variance, axes = np.linalg.eigh(np.cov(vectors - mean, rowvar=False))
        variance, axes = variance[::-1][:dimensions], axes[:, ::-1][:, :dimensions]
        scaled = axes * variance ** (-whiten / 2)
        typical = np.linalg.norm((vectors - mean) @ scaled, axis=1).mean()
        return cls(mean.astype(np.float32), (scaled / typical).astype(np.float32))

    def __call__(self, vectors: Floats) -> Floats:
        """Vectors (..., d) on the axes: (..., dimensions) float32."""
        return np.asarray((vectors - self.mean) @ self.axes, np.float32)

    def save(self, cache: Path) -> None:
        """Write the axes into the cache folder."""
        np.savez(cache / SPACE, mean=self.mean, axes=self.axes)

    @classmethod
    def load(cls, cache: Path) -> "Space":
        """Read the axes from the cache folder.

        Raises:
            ContentError: They are not there.
        """
        if not (cache / SPACE).exists():
            raise ContentError(f"{cache}: no axes; find them with: python -m training.prepare")
        with np.load(cache / SPACE) as stored:
            return cls(stored["mean"], stored["axes"])


def fit(photos: list[Photo], models: Path, dimensions: int, whiten: float, seed: int) -> Space:
    """Fit the axes to a random crop of every photo and to every second whole photo."""
    teachers, rng = Teachers(models), np.random.default_rng(seed)
    found: list[npt.NDArray[np.float32]] = []
    squares: list[Image] = []
    for number, photo in enumerate(photos):
        picture = read_rgb(photo.path)
        squares.append(resized(random_crop(picture, rng), TEACHER_SIZE, TEACHER_SIZE))
        if number % 2 == 0:
            squares.append(resized(picture, TEACHER_SIZE, TEACHER_SIZE))
        if len(squares) >= 32 or number == len(photos) - 1:
            found.append(teachers(squares))
            squares = []
    return Space.fitted(np.concatenate(found), dimensions, whiten)
