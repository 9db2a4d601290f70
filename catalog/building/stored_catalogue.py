"""The catalogues of a feature store: which items a build had, and what its bundles share.

::

    items/<time>-<digest>.parquet      the items of one build, in their order; written last
    items/<time>-<digest>.npz          pictures for golden queries, and the drawn distractors
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.building.feature_store import FeatureStore
from catalog.building.stored_featurizer import save_featurizer
from catalog.bundles.items import Item, Photo
from catalog.core.errors import ContentError
from catalog.core.photos import Picture
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer

FORMAT = 1
ITEMS = "items"
TIME = "%Y%m%dT%H%M%S.%fZ"  # of a catalogue's name; the last in order is the newest
PHOTO = pa.struct(
    [
        ("sha256", pa.string()),
        ("source", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
ITEM_ROWS = pa.schema(
    [
        *((name, pa.string()) for name in ("sku", "title", "price", "url", "location")),
        ("attributes", pa.string()),  # JSON
        ("photos", pa.list_(PHOTO)),
        ("lines", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class StoredItem:
    """An item, its photos by their digests, and the lines that were read on them."""

    item: Item
    photos: tuple[Photo, ...]
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shared:
    """What all bundles of a stored catalogue have in common.

    Attributes:
        pictures: The pictures that golden queries ask with, BGR uint8 (h, w, 3).
        vectors: Their embeddings, float32 (n, d).
        drawn: The raw vectors of the drawn distractors, float32 (m, k).
    """

    pictures: list[Picture]
    vectors: Vectors
    drawn: Vectors


@dataclass(frozen=True)
class StoredCatalogue:
    """The items of a stored catalogue.

    Attributes:
        name: The file's name in the store, without its suffix.
        title: What the catalogue is called.
        featurizer: The id of the featurizer, whose folder is in the store.
        items: The items.
    """

    name: str
    title: str
    featurizer: str
    items: list[StoredItem]


def save_catalogue(
    store: FeatureStore,
    title: str,
    featurizer: Featurizer,
    items: Sequence[StoredItem],
    shared: Shared,
) -> str:
    """Write a catalogue's items, featurizer and what its bundles share; return its name."""
    save_featurizer(store, featurizer)
    rows = [
        {
            **asdict(stored.item),
            "attributes": json.dumps(stored.item.attributes, ensure_ascii=False, sort_keys=True),
            "photos": [
                {
                    "sha256": photo.sha256,
                    "source": photo.source,
                    "width": photo.width,
                    "height": photo.height,
                }
                for photo in stored.photos
            ],
            "lines": list(stored.lines),
        }
        for stored in items
    ]
    about = {"format": FORMAT, "title": title, "featurizer": featurizer.id}
    schema = ITEM_ROWS.with_metadata({"catalogue": json.dumps(about)})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="zstd")
    content = bytes(sink.getvalue())
    digest = hashlib.sha256(content).hexdigest()[:12]
    name = f"{_time_after(_catalogue_names(store))}-{digest}"
    store.write(f"{ITEMS}/{name}.npz", _packed(shared))
    store.write(f"{ITEMS}/{name}.parquet", content)
    return name


def open_catalogue(store: FeatureStore, name: str = "") -> StoredCatalogue:
    """Read a catalogue of a store.

    Args:
        store: The store.
        name: The catalogue's name; empty for the newest.

    Raises:
        ContentError: There is none, or it is damaged or of a later version.
    """
    names = [name] if name else _catalogue_names(store)
    if not names:
        raise ContentError(
            f"{store.address}: holds no catalogue; fill it with: "
            f"visual-search catalog build PHOTOS --out BUNDLE --store {store.address}"
        )
    name = names[-1]
    try:
        table = pq.read_table(pa.BufferReader(store.read(f"{ITEMS}/{name}.parquet")))
        about = json.loads(table.schema.metadata[b"catalogue"])
        if about["format"] != FORMAT:
            raise ContentError(
                f"{store.address}: its format {about['format']} is not known; update"
            )
        items = [_stored_item(row) for row in table.to_pylist()]
        return StoredCatalogue(name, about["title"], about["featurizer"], items)
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ContentError(f"{store.address}: {name} is no list of items: {error}") from error


def open_shared(store: FeatureStore, name: str) -> Shared:
    """Read what all bundles of a stored catalogue share."""
    with np.load(io.BytesIO(store.read(f"{ITEMS}/{name}.npz")), allow_pickle=False) as data:
        pictures = [data[f"look_{number}"] for number in range(len(data["vectors"]))]
        return Shared(pictures, data["vectors"], data["drawn"])


def stored_items(
    items: Iterable[Item], photos: Sequence[tuple[str, Photo]], lines: Mapping[str, Sequence[str]]
) -> list[StoredItem]:
    """Return items with their photos, which are given with their skus."""
    of_item: dict[str, list[Photo]] = {}
    for sku, photo in photos:
        of_item.setdefault(sku, []).append(photo)
    return [
        StoredItem(item, tuple(of_item.get(item.sku, ())), tuple(lines.get(item.sku, ())))
        for item in items
    ]


def _catalogue_names(store: FeatureStore) -> list[str]:
    """Return the names of a store's catalogues, the oldest first."""
    names = (name for name in store.names(ITEMS) if name.endswith(".parquet"))
    return sorted(name.removesuffix(".parquet") for name in names)


def _time_after(names: Sequence[str]) -> str:
    """Return now, or just after the newest name, which a clock that was ahead may have given."""
    now = datetime.now(UTC)
    for name in names[-1:]:
        with contextlib.suppress(ValueError):
            newest = datetime.strptime(name.split("-")[0], TIME).replace(tzinfo=UTC)
            now = max(now, newest + timedelta(microseconds=1))
    return now.strftime(TIME)


def _packed(shared: Shared) -> bytes:
    file = io.BytesIO()
    pictures: dict[str, Any] = {
        f"look_{number}": picture for number, picture in enumerate(shared.pictures)
    }
    np.savez_compressed(file, vectors=shared.vectors, drawn=shared.drawn, **pictures)
    return file.getvalue()


def _stored_item(row: dict[str, Any]) -> StoredItem:
    fields = {name: row[name] or "" for name in ("sku", "title", "price", "url", "location")}
    item = Item(**fields, attributes=json.loads(row["attributes"]))
    photos = tuple(Photo(number, item.sku, **photo) for number, photo in enumerate(row["photos"]))
    return StoredItem(item, photos, tuple(row["lines"]))
