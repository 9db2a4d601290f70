"""Which of what was taught joins the catalogue that is open, and which rests.

A taught item rests as soon as the catalogue has photos of its sku, or was built from one of its
photos under another sku, and comes back where the device goes back to a catalogue without it. Of an
item that the catalogue lists without a photo, the taught views are the photos. A photo rests where
the catalogue was built from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.bundles.overlay import AddedPhoto, Additions
from edge.taught.store import Features, TaughtPhoto, TaughtStore


def additions(
    bundle: Bundle, store: TaughtStore, features: Mapping[int, Features], known: Collection[str]
) -> Additions:
    """Return what joins a bundle: all that was taught, does not rest, and has features.

    Args:
        bundle: The open bundle.
        store: What was taught.
        features: What the bundle's network made of the photos, by the photo's id.
        known: The digests of own photos that the catalogue was built from.
    """
    own = own_items(bundle, store)
    resting = resting_items(own, store, known)
    own = {sku: item for sku, item in own.items() if sku not in resting}
    added = [
        (photo, features[photo.id])
        for photo in store.photos()
        if photo.id in features and _is_wanted(bundle, photo, own)
    ]
    raw = [made.raw for _, made in added]
    vectors = list(bundle.featurizer.vectors(np.stack(raw))) if raw else []
    photos = tuple(
        AddedPhoto(
            photo.id,
            photo.sku,
            vector,
            made.descriptors,
            photo.width,
            photo.height,
            photo.sha256,
            _shown_instead(bundle, photo.sku),
        )
        for (photo, made), vector in zip(added, vectors, strict=True)
    )
    items = tuple(item for sku, item in own.items() if bundle.items.get(sku) is None)
    return Additions(items, photos, store.jpeg)


def own_items(bundle: Bundle, store: TaughtStore) -> dict[str, Item]:
    """Return the items that the staff made, without those that the catalogue lists without a photo.

    Those have the catalogue's title and price, and what was taught of them are further photos.
    """
    return {
        item.sku: item
        for item in store.items()
        if bundle.items.get(item.sku) is None or bundle.items.photos(item.sku)
    }


def resting_items(own: Collection[str], store: TaughtStore, known: Collection[str]) -> set[str]:
    """Return the taught items that the catalogue holds under another sku."""
    skus = (photo.sku for photo in store.photos() if photo.sha256 in known)
    return {sku for sku in skus if sku in own}


def _is_wanted(bundle: Bundle, photo: TaughtPhoto, own: dict[str, Item]) -> bool:
    """Whether a photo counts beside a bundle; see the module's first lines."""
    in_catalogue = bundle.items.get(photo.sku) is not None
    if not in_catalogue:
        return photo.sku in own
    if photo.kind == "taught" and photo.sku in own:
        return False
    return all(photo.sha256 != known.sha256 for known in bundle.items.photos(photo.sku))


def _shown_instead(bundle: Bundle, sku: str) -> int | None:
    """The catalogue's photo to show in place of an own one: a look may show a visitor's hand."""
    photos = bundle.items.photos(sku)
    return photos[0].number if photos else None
