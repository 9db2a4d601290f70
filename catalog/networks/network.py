"""Run a network on pictures, with the same preprocessing for catalogue photos and frames."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from catalog.core.errors import FeaturizerError
from catalog.core.photos import Picture
from catalog.core.vectors import Tensor
from catalog.networks.engines.base import Engine
from catalog.networks.engines.checkpoint import (
    PARAMETERS_FILE,
    SYMBOL_FILE,
    has_checkpoint,
    write_checkpoint,
)
from catalog.networks.engines.choice import open_engine

EMBEDDED = Path(__file__).parent / "embedded"
PREPROCESSING = 1  # raise it when `fit` changes; vectors of another number cannot be compared
GREY = 128  # fills the rest of a letterbox
DESCRIPTOR = "descriptor.json"
EXTERNAL_DATA = b"\x0a\x08location\x12"  # the bytes of that key in an ONNX file (protobuf)


@dataclass(frozen=True)
class Descriptor:
    """How to feed a network and read its output; stored beside it as ``descriptor.json``.

    A picture is resized, then each pixel (0..255) becomes ``(pixel - mean) / std``, in the order
    `channels`. There are three ways to resize it to size x size: "squash" changes its shape;
    "crop" brings the shorter side to `short_side` and cuts out the centre; "letterbox" brings the
    longer side to `size` and fills the rest with grey.
    """

    name: str
    network: str
    output: str | None
    size: int
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    resize: Literal["crop", "letterbox", "squash"] = "crop"
    short_side: int | None = None
    dimensions: int | None = None
    licence: str = ""
    format: int = 1

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 2048:
            raise FeaturizerError(f"input size {self.size} is not between 8 and 2048 pixels")
        if any(value <= 0 for value in self.std):
            raise FeaturizerError("std must be above 0 for each channel")
        if self.short_side is not None and self.short_side < self.size:
            raise FeaturizerError(
                f"the short side ({self.short_side}) cannot be below the size ({self.size})"
            )

    @property
    def enough(self) -> int:
        """Return the shorter side in pixels that suffices of a photo."""
        return max(self.short_side or 0, self.size)


class Network:
    """An open network with its preprocessing.

    Attributes:
        descriptor: How the network is fed.
        path: The network's file.
        id: 16 hex digits of the digest of network, output and preprocessing.
        dimensions: Length of the network's output.
    """

    def __init__(self, folder: Path, descriptor: Descriptor, engine: str = "auto") -> None:
        self.descriptor = descriptor
        self.path = folder / descriptor.network
        try:
            network = self.path.read_bytes()
        except OSError as error:
            raise FeaturizerError(f"{self.path}: cannot read the network: {error}") from error
        if EXTERNAL_DATA in network:
            raise FeaturizerError(
                f"{self.path}: keeps its weights in another file; save the network as one file"
            )
        digest = hashlib.sha256(network)
        digest.update(json.dumps(_identity(descriptor), sort_keys=True).encode())
        self.id = digest.hexdigest()[:16]
        self._engine: Engine = open_engine(self.path, descriptor.output, engine)
        self._scale = [1 / value for value in descriptor.std]
        self._shift = [
            mean / std for mean, std in zip(descriptor.mean, descriptor.std, strict=True)
        ]
        grey = np.full((descriptor.size, descriptor.size, 3), GREY, np.uint8)
        self.dimensions = self.raw([grey]).shape[1]
        if descriptor.dimensions not in (None, self.dimensions):
            raise FeaturizerError(
                f"{self.path}: gives {self.dimensions} numbers, "
                f"its descriptor says {descriptor.dimensions}"
            )

    @property
    def engine(self) -> str:
        """Return the name of the engine that runs the network."""
        return self._engine.name

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files of the network and of the MXNet checkpoint beside it, if any."""
        beside = map(self.path.with_name, (SYMBOL_FILE, PARAMETERS_FILE))
        return (self.path, *(file for file in beside if file.is_file()))

    def write(self, folder: Path) -> None:
        """Write the network, its descriptor and its checkpoint, if any, into `folder`."""
        shutil.copyfile(self.path, folder / self.path.name)
        if has_checkpoint(self.path):
            write_checkpoint(self.path, folder)
        write_descriptor(self.descriptor, folder)

    def preprocess(self, images: Sequence[Picture]) -> Tensor:
        """Turn BGR uint8 pictures (h, w, 3) into the network's input (n, 3, size, size)."""
        size = self.descriptor.size
        batch = np.empty((len(images), 3, size, size), np.float32)
        order = (2, 1, 0) if self.descriptor.channels == "rgb" else (0, 1, 2)
        for tensor, image in zip(batch, images, strict=True):
            fitted = fit(image, self.descriptor)
            for plane, channel, scale, shift in zip(
                tensor, order, self._scale, self._shift, strict=True
            ):
                np.multiply(fitted[:, :, channel], np.float32(scale), out=plane)
                plane -= np.float32(shift)
        return batch

    def raw(self, images: Sequence[Picture]) -> Tensor:
        """Return the network's own output, float32 (n, d), for BGR uint8 pictures."""
        return self.run(self.preprocess(images))

    def run(self, batch: Tensor) -> Tensor:
        """Return the network's own output, float32 (n, d), for preprocessed input.

        Raises:
            FeaturizerError: The output is not one vector for each picture, or not finite.
        """
        if self._engine.one_by_one:
            output = np.concatenate([self._engine.run(picture[None]) for picture in batch])
        else:
            output = self._engine.run(batch)
        vectors = output.reshape(len(batch), -1)
        if output.ndim > 2 and vectors.shape[1] != output.shape[1]:
            raise FeaturizerError(
                f"{self.path}: its output has shape {output.shape[1:]}, a vector is wanted; "
                "name another output"
            )
        if not np.isfinite(vectors).all():
            raise FeaturizerError(f"{self.path}: the network gave NaN or infinity")
        return vectors


def fit(image: Picture, descriptor: Descriptor) -> Picture:
    """Resize a picture (h, w, 3) to the descriptor's size x size."""
    size = descriptor.size
    height, width = image.shape[:2]
    if descriptor.resize == "squash":
        return _resize(image, size, size)
    if descriptor.resize == "letterbox":
        scale = size / max(height, width)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = np.full((size, size, 3), GREY, np.uint8)
        x, y = (size - w) // 2, (size - h) // 2
        canvas[y : y + h, x : x + w] = _resize(image, w, h)
        return canvas
    short_side = descriptor.short_side or size
    # Only the centre is used anyway, and a very long strip would fill the memory.
    left, top = max(0, width - 4 * height) // 2, max(0, height - 4 * width) // 2
    image = image[top : height - top, left : width - left]
    height, width = image.shape[:2]
    scale = short_side / min(height, width)
    w, h = max(size, round(width * scale)), max(size, round(height * scale))
    resized = _resize(image, w, h)
    x, y = (w - size) // 2, (h - size) // 2
    return resized[y : y + size, x : x + size]


def read_descriptor(folder: Path) -> Descriptor:
    """Read ``descriptor.json`` of a featurizer folder.

    Raises:
        FeaturizerError: It is missing or damaged.
    """
    path = folder / DESCRIPTOR
    try:
        data = json.loads(path.read_bytes())
        if data.get("format") != 1:
            raise FeaturizerError(f"{path}: format {data.get('format')!r} is not known; update")
        descriptor = TypeAdapter(Descriptor).validate_python(data)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise FeaturizerError(f"{path}: not a featurizer's descriptor: {error}") from error
    if Path(descriptor.network).name != descriptor.network:
        raise FeaturizerError(f"{path}: {descriptor.network!r} is not a plain file name")
    return descriptor


def write_descriptor(descriptor: Descriptor, folder: Path) -> None:
    """Write ``descriptor.json`` into `folder`."""
    text = json.dumps(asdict(descriptor), indent=2)
    (folder / DESCRIPTOR).write_text(text + "\n", encoding="utf-8")


def _identity(descriptor: Descriptor) -> dict[str, object]:
    """Return the fields that change the vectors, which names and licences do not."""
    fields = asdict(descriptor)
    return {"preprocessing": PREPROCESSING} | {
        key: fields[key]
        for key in ("output", "size", "channels", "mean", "std", "resize", "short_side")
    }


def _resize(image: NDArray[np.uint8], width: int, height: int) -> Picture:
    if (image.shape[1], image.shape[0]) == (width, height):
        return image
    # Averaging by a whole factor first takes a tenth of the time and looks the same.
    step = min(image.shape[1] // (2 * width), image.shape[0] // (2 * height))
    if step >= 2:
        inner = image[: image.shape[0] // step * step, : image.shape[1] // step * step]
        image = cast(
            Picture,
            cv2.resize(
                inner,
                (inner.shape[1] // step, inner.shape[0] // step),
                interpolation=cv2.INTER_AREA,
            ),
        )
    smaller = width < image.shape[1] or height < image.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cast(Picture, cv2.resize(image, (width, height), interpolation=method))
