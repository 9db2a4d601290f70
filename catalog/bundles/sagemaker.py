"""Write a bundle in the form that the cloud side of AWS's visual search sample loads.

::

    vectors.pbr     RecordIO-protobuf: each photo's vector, with the photo's number as its label
    metadata.json   for each photo a record of id, title, url and sku
    photos/         the thumbnails, <number>.jpg

The sample trains SageMaker's k-NN with the vectors, and puts each record into a table of DynamoDB
(github.com/awslabs/visual-search, notebooks/visual-search-feature-generation.ipynb and
test/metadata_to_ddb.py). Its search asks the table for the labels of the four nearest vectors,
and may not ask for one twice. So each photo, not each item, has a label of its own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from catalog.bundles.bundle import Bundle
from catalog.core.access import why_unwritable
from catalog.core.errors import BundleError, ContentError, SurroundingsError
from catalog.core.photos import decode
from catalog.core.vectors import Tensor

VECTORS, METADATA, PHOTOS = "vectors.pbr", "metadata.json", "photos"
BATCH = 4  # pictures at a time in the network
MAGIC = 0xCED7230A  # begins each record of RecordIO
QUOTES = {ord("'"): "\u2019", ord('"'): "\u201d"}  # typographic ones


@dataclass(frozen=True)
class SageMakerExport:
    """What was written: how many vectors, and how many numbers each has."""

    photos: int
    dimensions: int


def export_for_sagemaker(
    bundle: Bundle,
    folder: Path,
    address: str = f"{PHOTOS}/",
    progress: Callable[[int], None] = lambda done: None,
) -> SageMakerExport:
    """Write `folder`; see the module.

    The vectors are what the bundle's network gives for the thumbnails, float32 (d,), neither
    normalised nor shortened, as in the messages of a device with ``report_features``.

    Args:
        bundle: The open bundle.
        folder: Must be absent or empty.
        address: Where the folder of photos will be served; begins each record's url.
        progress: Called with the number of photos written so far.

    Raises:
        ContentError: There is something in the folder.
        BundleError: A photo has no thumbnail.
        SurroundingsError: The folder cannot be written.
    """
    address = address if address.endswith("/") else f"{address}/"
    records = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ContentError(f"{folder}: there is something in it; name a new folder")
        (folder / PHOTOS).mkdir()
        with (folder / VECTORS).open("wb") as vectors:
            for number, jpeg, vector in _photos(bundle):
                (folder / PHOTOS / f"{number}.jpg").write_bytes(jpeg)
                vectors.write(_frame(_record(vector, number)))
                sku = bundle.items.skus[number]
                item = bundle.item(sku)
                title = _title(item.title if item else sku)
                url = f"{address}{number}.jpg"
                records.append({"id": str(number), "title": title, "url": url, "sku": sku})
                progress(len(records))
        text = json.dumps(records, ensure_ascii=False, indent=1)
        (folder / METADATA).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(f"{folder}: cannot be written: {why_unwritable(error)}") from error
    return SageMakerExport(len(records), bundle.featurizer.network_dimensions)


def _photos(bundle: Bundle) -> Iterator[tuple[int, bytes, Tensor]]:
    """Yield each photo's number, JPEG and vector float32 (d,)."""
    count = bundle.manifest.photos
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        jpegs = [_thumbnail(bundle, number) for number in numbers]
        pictures = [
            decode(jpeg, f"photo {number}") for number, jpeg in zip(numbers, jpegs, strict=True)
        ]
        yield from zip(numbers, jpegs, bundle.featurizer.raw(pictures), strict=True)


def _thumbnail(bundle: Bundle, number: int) -> bytes:
    jpeg = bundle.thumbnail(number)
    if jpeg is None:
        raise BundleError(f"{bundle.path}: photo {number} has no thumbnail")
    return jpeg


def _title(title: str) -> str:
    """Return a title that survives the sample.

    Its Lambda writes matches as Python does, and its app turns each ' into " and reads JSON. So
    straight quotes, and what Python writes as an escape that JSON does not know, are replaced.
    """
    return "".join(sign if sign.isprintable() else " " for sign in title.translate(QUOTES))


# RecordIO and the protobuf messages of record.proto, as far as k-NN needs them; see
# https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html


def _frame(record: bytes) -> bytes:
    """Return a record of RecordIO, which is filled up to a multiple of four bytes."""
    return struct.pack("<II", MAGIC, len(record)) + record + bytes(-len(record) % 4)


def _record(vector: Tensor, label: int) -> bytes:
    """Return a Record: ``features`` and ``label``, maps from "values" to a tensor."""
    float32_tensor = _field(2, _field(1, vector.astype("<f4").tobytes()))
    int32_tensor = _field(7, _field(1, _varint(label)))
    return _entry(1, float32_tensor) + _entry(2, int32_tensor)


def _entry(number: int, value: bytes) -> bytes:
    return _field(number, _field(1, b"values") + _field(2, value))


def _field(number: int, data: bytes) -> bytes:
    """Return a field whose length is written before it."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
