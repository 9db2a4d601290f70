"""A catalogue in a feature store: its items, and all that a build computed of their photos.

::

    photos/<networks and versions>/    records of photos, see `catalog.building.stage`
    queries/<featurizer and version>/  calibration queries made of them
    featurizers/<id>/                  the networks, with their weights and projection
    items/<time>-<digest>.parquet      the items of one build, in their order; written last
    items/<time>-<digest>.npz          pictures for golden queries, and the drawn distractors
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.building.cache import DECODING, FeatureCache
from catalog.building.calibration_queries import QueryRecord
from catalog.building.collect import StageProgress
from catalog.building.feature_store import KEY, FeatureStore
from catalog.building.features import store_record
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.bundles.items import Item, Photo
from catalog.core.errors import ContentError
from catalog.core.photos import Picture
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.descriptors import VERSION as DESCRIPTORS_VERSION
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.scored_queries import VERSION as QUERIES_VERSION

FORMAT = 1
ITEMS = "items"
TIME = "%Y%m%dT%H%M%S.%fZ"  # of a catalogue's name; the last in order is the newest
FEATURIZERS = "featurizers"
FEATURIZER = re.compile(r"[0-9a-f]{16}")  # an id; it becomes part of a path
AT_ONCE = 512  # records of an appended file
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
RECORD_ROWS = pa.schema(
    [
        (KEY, pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("thumbnail", pa.binary()),
        ("descriptors", pa.binary()),
        ("outputs", pa.binary()),  # float32, of all networks in their order
    ]
)
QUERY_ROWS = pa.schema(
    [
        (KEY, pa.string()),
        ("behind", pa.string()),
        ("augmented", pa.bool_()),
        ("raw", pa.binary()),
        ("descriptors", pa.binary()),
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


class RecordTable:
    """The records of photos that a stage makes, in a store."""

    def __init__(self, store: FeatureStore, stage: PhotoStage) -> None:
        networks = "_".join(network.id for network in stage.featurizer.networks)
        self.name = f"photos/{networks}-{DECODING}-{DESCRIPTORS_VERSION}-{stage.local_features}"
        self._store, self._stage = store, stage

    def keys(self) -> set[str]:
        """Return the keys of the records."""
        return self._store.keys(self.name)

    def append(self, records: Iterable[PhotoRecord]) -> None:
        """Append records as one file; none with an output of zeros, which is no vector.

        Raises:
            ContentError: A record is not complete.
        """
        rows = []
        for record in records:
            if not self._stage.is_complete(record):
                raise ContentError(f"{record.key}: left the build cache meanwhile; build again")
            outputs = [record.outputs[network.id] for network in self._stage.featurizer.networks]
            if not all(output.any() for output in outputs):
                continue
            assert record.descriptors is not None
            rows.append(
                {
                    KEY: record.key,
                    "width": record.width,
                    "height": record.height,
                    "thumbnail": record.thumbnail,
                    "descriptors": record.descriptors.to_bytes(),
                    "outputs": np.concatenate(outputs).tobytes(),
                }
            )
        rows.sort(key=lambda row: str(row[KEY]))
        self._store.append(self.name, pa.Table.from_pylist(rows, RECORD_ROWS))

    def fetch(self, keys: Collection[str]) -> Iterator[PhotoRecord]:
        """Yield the records with some keys, in no order."""
        networks = self._stage.featurizer.networks
        ends = np.cumsum([network.dimensions for network in networks])[:-1]
        for row in self._store.fetch(self.name, keys):
            outputs = np.split(np.frombuffer(row["outputs"], np.float32), ends)
            yield PhotoRecord(
                row[KEY],
                row["width"],
                row["height"],
                row["thumbnail"],
                {network.id: own for network, own in zip(networks, outputs, strict=True)},
                Descriptors.from_bytes(row["descriptors"], with_local_features=True),
            )

    def compact(self) -> None:
        """Sort new files, where there are many."""
        self._store.compact(self.name)


def fetch_records(
    table: RecordTable,
    stage: PhotoStage,
    keys: Collection[str],
    cache: FeatureCache,
    progress: StageProgress,
) -> None:
    """Bring records from a store into the build cache, as far as it lacks them.

    Raises:
        ContentError: The store lacks some of them.
    """
    ids = [network.id for network in stage.featurizer.networks]
    missing = set(keys) - cache.complete(ids, PER_PHOTO)
    left = set(missing)
    for done, record in enumerate(table.fetch(missing), 1):
        store_record(record, PhotoRecord(record.key), stage, cache)
        left.discard(record.key)
        progress("fetched", done, len(missing))
    if left:
        raise ContentError(
            f"the store lacks the records of {len(left)} photos, the first is {min(left)}; "
            "fill it again with: visual-search catalog build --store"
        )


class QueryTable:
    """The calibration queries of one featurizer, in a store."""

    def __init__(self, store: FeatureStore, featurizer: str) -> None:
        self.name = f"queries/{featurizer}-{QUERIES_VERSION}"
        self._store = store

    def keys(self) -> set[str]:
        """Return the sha256 of the photos that queries were made of."""
        return self._store.keys(self.name)

    def append(self, queries: Sequence[QueryRecord]) -> None:
        """Append queries as one file."""
        rows = [
            {
                KEY: query.photo,
                "behind": query.behind,
                "augmented": query.augmented,
                "raw": query.raw.tobytes(),
                "descriptors": query.descriptors.to_bytes(),
            }
            for query in sorted(queries, key=lambda query: query.photo)
        ]
        self._store.append(self.name, pa.Table.from_pylist(rows, QUERY_ROWS))
        self._store.compact(self.name)

    def fetch(self, keys: Collection[str]) -> list[QueryRecord]:
        """Return the queries made of some photos, in the order of their keys."""
        found = [
            QueryRecord(
                row[KEY],
                row["behind"],
                row["augmented"],
                np.frombuffer(row["raw"], np.float32),
                Descriptors.from_bytes(row["descriptors"], with_local_features=True),
            )
            for row in self._store.fetch(self.name, keys)
        ]
        return sorted(found, key=lambda query: query.photo)


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


def open_featurizer(store: FeatureStore, identity: str, cache: Path, engine: str) -> Featurizer:
    """Open a featurizer of a store; its files are fetched into a folder once.

    Raises:
        ContentError: The store has no such featurizer, or it is another one.
    """
    if not FEATURIZER.fullmatch(identity):
        raise ContentError(f"{store.address}: {identity[:60]!r} is no id of a featurizer")
    folder = cache / FEATURIZERS / identity
    if not folder.is_dir():
        _fetch_featurizer(store, identity, folder)
    return Featurizer.open(folder, engine)


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


def save_featurizer(store: FeatureStore, featurizer: Featurizer) -> None:
    """Write a featurizer's folder into a store, as far as it is not there."""
    there = store.names(f"{FEATURIZERS}/{featurizer.id}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "featurizer")
        featurizer.write(folder)
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and name not in there:
                store.write(f"{FEATURIZERS}/{featurizer.id}/{name}", file.read_bytes())


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


def _fetch_featurizer(store: FeatureStore, identity: str, folder: Path) -> None:
    names = store.names(f"{FEATURIZERS}/{identity}")
    if not names:
        raise ContentError(f"{store.address}: has no featurizer {identity}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        content = Path(temporary, identity)
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ContentError(f"{store.address}: {name!r} is no file of a featurizer")
            file = content / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(store.read(f"{FEATURIZERS}/{identity}/{name}"))
        if (found := Featurizer.open(content).id) != identity:
            raise ContentError(f"{store.address}: its featurizer {identity} is {found} in truth")
        try:
            content.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise


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
