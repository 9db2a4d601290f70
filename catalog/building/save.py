"""Keep what a build computed in a feature store, so that bundles can be assembled of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.building.cache import FeatureCache
from catalog.building.calibration_queries import query_records
from catalog.building.collect import BundlePhoto, StageProgress
from catalog.building.distractors import drawn_raw
from catalog.building.feature_store import FeatureStore
from catalog.building.features import known_record
from catalog.building.stage import PhotoStage
from catalog.building.stored_catalogue import Shared, save_catalogue, stored_items
from catalog.building.stored_records import AT_ONCE, QueryTable, RecordTable
from catalog.bundles.items import Item, Photo
from catalog.core.photos import Picture
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.local_features.extract import PER_PHOTO
from catalog.recognition.scored_queries import PHOTO_QUERIES

QUERIES = 10  # one photo in so many is a query, so that each small part of a catalogue has some


@dataclass(frozen=True)
class Built:
    """What a build made that is to be kept.

    Attributes:
        title: What the catalogue is called.
        featurizer: The networks, weighed, and the projection.
        items: The items of the bundle.
        photos: Its photos.
        lines: The lines that were read on the photos of each item, by its sku.
        pictures: Pictures that its golden queries ask with.
        embedded: Their embeddings, float32 (n, d).
    """

    title: str
    featurizer: Featurizer
    items: Sequence[Item]
    photos: Sequence[BundlePhoto]
    lines: Mapping[str, Sequence[str]]
    pictures: list[Picture]
    embedded: Vectors


def save_build(
    store: FeatureStore, built: Built, cache: FeatureCache, progress: StageProgress
) -> str:
    """Keep a build in a store; what is there is not written again. Return the catalogue's name.

    Args:
        store: The store.
        built: What was built.
        cache: Where the records of all its photos are.
        progress: Called with each file of records, and with each calibration query.
    """
    stage = PhotoStage(built.featurizer, PER_PHOTO)
    _save_records(RecordTable(store, stage), stage, built, cache, progress)
    _save_queries(QueryTable(store, built.featurizer.id), built, cache, progress)
    photos = [
        (
            photo.item.sku,
            Photo(
                number,
                photo.item.sku,
                Path(photo.place).name,
                photo.width,
                photo.height,
                photo.key,
            ),
        )
        for number, photo in enumerate(built.photos)
    ]
    shared = Shared(built.pictures, built.embedded, drawn_raw(built.featurizer, cache, progress))
    items = stored_items(built.items, photos, built.lines)
    return save_catalogue(store, built.title, built.featurizer, items, shared)


def _save_records(
    table: RecordTable,
    stage: PhotoStage,
    built: Built,
    cache: FeatureCache,
    progress: StageProgress,
) -> None:
    missing = sorted({photo.key for photo in built.photos} - table.keys())
    for at in range(0, len(missing), AT_ONCE):
        table.append(known_record(key, stage, cache) for key in missing[at : at + AT_ONCE])
        progress("store", min(at + AT_ONCE, len(missing)), len(missing))
    table.compact()


def _save_queries(
    table: QueryTable, built: Built, cache: FeatureCache, progress: StageProgress
) -> None:
    """Make queries of the photos with the lowest digests: any part of a catalogue has its share."""
    photos = built.photos
    count = max(PHOTO_QUERIES, len(photos) // QUERIES)
    lowest = sorted(range(len(photos)), key=lambda number: photos[number].key)[:count]
    there = table.keys()
    numbers = [number for number in lowest if photos[number].key not in there]
    records = query_records(photos, numbers, built.featurizer, cache, progress)
    part = []
    for record in records:
        part.append(record)
        if len(part) == AT_ONCE:
            table.append(part)
            part = []
    table.append(part)
