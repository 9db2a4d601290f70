"""What the device was taught, and how it joins the catalogue that is open.

What is joined, and what rests, says `edge.taught.joining`.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.errors import ContentError, ShelfError, VisualSearchError
from catalog.core.photos import decode
from edge.errors import NoCatalogueError
from edge.taught.collecting import View, ViewCollector
from edge.taught.describing import features_of, new_photo
from edge.taught.joining import additions, own_items, resting_items
from edge.taught.shared_folder import SharedFolder
from edge.taught.store import (
    MOST_PHOTOS_OF_ITEM,
    Features,
    NewPhoto,
    TaughtPhoto,
    TaughtStore,
)
from edge.taught.wish import LONGEST_SKU, Wish, changed_item, same_name, wished_item
from edge.words import Words

MOST_CONFIRMED = 6  # looks of an item; the most different ones stay
NEW_LOOK = 0  # no photo has this number
AT_ONCE = 16  # photos that a new network sees between two changes of the file

log = logging.getLogger(__name__)
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TaughtItem:
    """An item with photos of this device's own.

    Attributes:
        item: The item.
        photos: Its photos on this device, the oldest first.
        is_new: Whether the staff made the item; else the catalogue has it.
        rests: Whether the catalogue holds it now with photos, so that it is found there.
    """

    item: Item
    photos: tuple[TaughtPhoto, ...]
    is_new: bool
    rests: bool


def _in_turn(
    edit: Callable[Concatenate[Taught, Given], Result],
) -> Callable[Concatenate[Taught, Given], Result]:
    """Let an edit wait for the one before: it writes an item as it was when the edit began."""

    @wraps(edit)
    def waiting(taught: Taught, /, *given: Given.args, **named: Given.kwargs) -> Result:
        with taught._editing:
            return edit(taught, *given, **named)

    return waiting


class Taught:
    """The taught items and photos of a device. Many threads may use it at once.

    Attributes:
        collector: Takes the views of what is taught now.
        store: The file that holds everything.

    Args:
        folder: The folder of that file.

    Raises:
        ShelfError: The file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.store = TaughtStore(folder)
        self.collector = ViewCollector()
        self._editing, self._changing = threading.RLock(), threading.Lock()
        self._network = ""
        self._known: set[str] = set()  # digests of own photos that the catalogue was built from
        self._features: dict[int, Features] = {}  # what this network made, by the photo's id
        self._bundle: weakref.ref[Bundle] | None = None
        self._shared: SharedFolder | None = None

    def use(self, bundle: Bundle) -> None:
        """Join what was taught to a bundle that is opened.

        Photos that its network has not seen yet are embedded on a thread of their own.
        """
        with self._changing:
            network = bundle.featurizer.network_id
            if network != self._network:
                self._network, self._features = network, self.store.features(network)
            self._bundle = weakref.ref(bundle)
            self._known = bundle.items.known_photos(photo.sha256 for photo in self.store.photos())
            self._join(bundle)
            if missing := self._missing():
                threading.Thread(
                    target=self._embed, args=(bundle, missing), name="embed-taught", daemon=True
                ).start()

    @_in_turn
    def save(self, wish: Wish, views: Sequence[View]) -> Item:
        """Save the views of a thing; it is found from the next look on.

        Args:
            wish: Which item it is.
            views: The views, at least one.

        Returns:
            The item. It is on the disk.

        Raises:
            ContentError: The wish names no item, or there is no view or too many.
            NoCatalogueError: No bundle is open.
            ShelfError: It cannot be written.
        """
        bundle = self._open_bundle()
        item, is_new = wished_item(bundle, self.store.items(), wish)
        network = bundle.featurizer.network_id
        seen = [view for view in views if view.network == network]
        if not seen:
            raise ContentError(Words("No view was taken yet; hold the thing before the camera."))
        photos = [new_photo(bundle, view.picture, view.raw) for view in seen]
        self._keep(bundle, item.sku, item if is_new else None, photos)
        self.collector.end()
        return item

    @_in_turn
    def confirm(self, sku: str, look: bytes, sighting: str) -> bool:
        """Keep a look as an own photo of its item; whether it was kept.

        Another verdict on the same sighting takes its place. Of too many looks the one that
        resembles another one most is dropped.

        Args:
            sku: The item that the look shows.
            look: The look's JPEG.
            sighting: The sighting's id.

        Raises:
            ContentError: There is no such item.
            NoCatalogueError: No bundle is open.
            ShelfError: It cannot be written.
        """
        bundle = self._open_bundle()
        item = bundle.item(sku)
        if item is None:
            raise ContentError(f"the catalogue has no item {sku[:LONGEST_SKU]}")
        own = item if bundle.items.get(sku) is None else None
        picture = decode(look, "the look")
        photo = replace(new_photo(bundle, picture, None), jpeg=look)
        instead_of = self._of_sighting(sighting)
        surplus = self._surplus(sku, photo.features.raw, instead_of)
        if surplus == NEW_LOOK:
            self.withdraw(sighting)
            return False
        if surplus is not None:
            instead_of.append(surplus)
        self._keep(bundle, sku, own, [photo], sighting, instead_of)
        return True

    def withdraw(self, sighting: str, unless_of: str = "") -> None:
        """Remove the photo that a verdict on a sighting left, unless it is of the item named."""
        photos = self._of_sighting(sighting, unless_of)
        if photos:
            self._change(lambda: self.store.remove_photos(photos))

    @_in_turn
    def change(self, sku: str, wish: Wish) -> Item | None:
        """Change an item that the staff made, and return it; None where there is none.

        Args:
            sku: The item.
            wish: Its new title, price and place, and its sku where that changes, too.

        Raises:
            ContentError: The wish has no title, the number of another item, or an unfit text.
            NoCatalogueError: No bundle is open.
            ShelfError: It cannot be written.
        """
        bundle, items = self._open_bundle(), self.store.items()
        before = own_items(bundle, self.store).get(sku)
        if before is None:
            return None
        item = changed_item(bundle, items, before, wish)
        self._change(lambda: self.store.change_item(sku, item))
        return item

    def of_same_name(self, wish: Wish, of: str) -> Item | None:
        """An item that has the title of a wish already; None where that of the sku `of` has it.

        Raises:
            NoCatalogueError: No bundle is open.
        """
        return same_name(self._open_bundle(), self.store.items(), wish, of)

    @_in_turn
    def remove_photo(self, photo: int) -> bool:
        """Remove a photo; whether there was one. A taught item without photos goes with it."""
        known = any(kept.id == photo for kept in self.store.photos())
        if known:
            self._change(lambda: self.store.remove_photos([photo]))
        return known

    @_in_turn
    def remove_item(self, sku: str) -> bool:
        """Remove a taught item, or all own photos of an item; whether there was something."""
        known = any(photo.sku == sku for photo in self.store.photos())
        if known:
            self._change(lambda: self.store.remove_item(sku))
        return known

    def items(self) -> list[TaughtItem]:
        """All items with photos of this device's own, the newest first.

        Raises:
            NoCatalogueError: No bundle is open.
        """
        bundle = self._open_bundle()
        own = own_items(bundle, self.store)
        photos: dict[str, list[TaughtPhoto]] = {}
        for photo in self.store.photos():
            photos.setdefault(photo.sku, []).append(photo)
        resting = resting_items(own, self.store, self._known)
        newest = sorted(photos, key=lambda sku: -photos[sku][-1].id)
        return [
            TaughtItem(
                own.get(sku) or bundle.items.get(sku) or Item(sku, sku),
                tuple(photos[sku]),
                is_new=sku in own,
                rests=sku in own and (sku in resting or bundle.items.get(sku) is not None),
            )
            for sku in newest
        ]

    def _open_bundle(self) -> Bundle:
        bundle = self._bundle() if self._bundle is not None else None
        if bundle is None or bundle.closed:
            raise NoCatalogueError("no catalogue is open, so nothing can be taught")
        return bundle

    def _keep(
        self,
        bundle: Bundle,
        sku: str,
        item: Item | None,
        photos: Sequence[NewPhoto],
        sighting: str = "",
        instead_of: Sequence[int] = (),
    ) -> None:
        with self._changing:
            network = bundle.featurizer.network_id
            ids = self.store.save(sku, item, photos, network, sighting, instead_of)
            for removed in instead_of:
                self._features.pop(removed, None)
            if network == self._network:
                features = (photo.features for photo in photos)
                self._features.update(zip(ids, features, strict=True))
                self._join(bundle)
            self._renew_shared()

    def share(self, folder: Path) -> None:
        """Keep a folder of what was taught up to date, from which `sync` sends it to the owner."""
        with self._changing:
            self._shared = SharedFolder(self.store, folder)
            self._shared.renew()

    def _change(self, change: Callable[[], object]) -> None:
        """Change the file, and what the open bundle answers with."""
        with self._changing:
            change()
            kept = {photo.id for photo in self.store.photos()}
            self._features = {id_: made for id_, made in self._features.items() if id_ in kept}
            bundle = self._bundle() if self._bundle is not None else None
            if bundle is not None:
                self._join(bundle)
            self._renew_shared()

    def _renew_shared(self) -> None:
        if self._shared is not None:
            self._shared.renew()

    def _join(self, bundle: Bundle) -> None:
        """Let a bundle answer with all that was taught and that its network has seen."""
        bundle.add(additions(bundle, self.store, self._features, self._known))

    def _missing(self) -> list[int]:
        """The photos that the open bundle's network has not seen."""
        return [photo.id for photo in self.store.photos() if photo.id not in self._features]

    def _embed(self, bundle: Bundle, missing: Sequence[int]) -> None:
        """Let a new network see all photos, and join those that it could see."""
        network = bundle.featurizer.network_id
        try:
            try:
                self._keep_features(bundle, missing)
            finally:
                with self._changing:
                    if self._network == network and not bundle.closed:
                        self._join(bundle)
        except VisualSearchError as error:
            log.error("taught photos cannot be joined to the catalogue: %s", error)
        except Exception:
            log.exception("taught photos cannot be joined to the catalogue")

    def _keep_features(self, bundle: Bundle, missing: Sequence[int]) -> None:
        """Keep what a new network makes of photos; ends where the bundle is left."""
        network = bundle.featurizer.network_id
        for at in range(0, len(missing), AT_ONCE):
            made = self._made(bundle, missing[at : at + AT_ONCE])
            with self._changing:
                if self._network != network or bundle.closed:
                    return
                self.store.add_features(network, made)
                self._features.update(made)
        with self._changing:
            if self._network == network and not bundle.closed:
                self.store.keep_features_of(network)

    def _made(self, bundle: Bundle, photos: Sequence[int]) -> list[tuple[int, Features]]:
        """What a network makes of photos; one that is damaged is passed over."""
        made = []
        for photo in photos:
            try:
                jpeg = self.store.jpeg(photo)
                if jpeg is not None:
                    made.append((photo, features_of(bundle, jpeg)))
            except Exception as error:
                if bundle.closed:
                    break
                expected = isinstance(error, VisualSearchError)
                log.error("taught photo %d is left out: %s", photo, error, exc_info=not expected)
        return made

    def _of_sighting(self, sighting: str, unless_of: str = "") -> list[int]:
        """The photos that a verdict on a sighting left, without those of an item."""
        return [
            photo.id
            for photo in self.store.photos()
            if photo.sighting == sighting != "" and photo.sku != unless_of
        ]

    def _surplus(self, sku: str, raw: NDArray[np.float32], instead_of: Sequence[int]) -> int | None:
        """The look to drop for a new one of its item: the one that resembles another most.

        It is `NEW_LOOK` where that is the new one, and None where there is room for all.
        """
        photos = [
            photo
            for photo in self.store.photos()
            if photo.sku == sku and photo.id not in instead_of
        ]
        looks = [
            photo.id for photo in photos if photo.kind == "confirmed" and photo.id in self._features
        ]
        has_room = len(looks) < MOST_CONFIRMED and len(photos) < MOST_PHOTOS_OF_ITEM
        if has_room or not looks:
            return None
        least = least_telling(np.stack([*(self._features[look].raw for look in looks), raw]))
        return [*looks, NEW_LOOK][least]


def least_telling(outputs: NDArray[np.float32]) -> int:
    """The row that resembles another one most, of a network's outputs float32 (n, k)."""
    unit = outputs / np.maximum(np.linalg.norm(outputs, axis=1, keepdims=True), 1e-9)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -1.0)
    first, second = np.unravel_index(int(alike.argmax()), alike.shape)
    # Of the two, the one that is nearer to all others says less.
    return int(first if alike[first].sum() >= alike[second].sum() else second)


def open_taught(state_folder: Path | None) -> Taught | None:
    """Open what the staff taught; None where it cannot be kept, which must not stop the device."""
    if state_folder is None:
        return None
    try:
        return Taught(state_folder / "taught")
    except ShelfError as error:
        log.error("nothing can be taught: %s", error)
        return None
