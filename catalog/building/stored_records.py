"""The records of photos in a feature store, and the calibration queries made of them.

::

    photos/<networks and versions>/    records of photos, see `catalog.building.stage`
    queries/<featurizer and version>/  calibration queries made of them
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from catalog.building.cache import DECODING, FeatureCache
from catalog.building.calibration_queries import QueryRecord
from catalog.building.collect import StageProgress
from catalog.building.feature_store import KEY, FeatureStore
from catalog.building.features import store_record
from catalog.building.stage import PhotoRecord, PhotoStage
from catalog.core.errors import ContentError
from catalog.recognition.descriptors import VERSION as DESCRIPTORS_VERSION
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.scored_queries import VERSION as QUERIES_VERSION

AT_ONCE = 512  # records of an appended file
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
