"""What a device adds to an open bundle: items of its own, and further photos of items.

The bundle's files stay as they are. The additions are held in memory beside them, and answers are
found among both, by the same match features and with the same confidence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from catalog.bundles.item_codes import codes_of
from catalog.bundles.items import Item, Photo
from catalog.core.vectors import Rows, Vectors
from catalog.recognition import thing_colours
from catalog.recognition.candidates import CandidateScorer
from catalog.recognition.colours import Colours, similarity
from catalog.recognition.descriptors import Descriptors

SIDES = 2  # photos of one item that show it from more than one side


@dataclass(frozen=True)
class AddedPhoto:
    """A photo that the device added.

    Attributes:
        id: Its number among all photos that the device ever added, from 0.
        sku: Its item: one of the bundle's, or one that is added with it.
        vector: Its embedding by the bundle's featurizer, float32 (d,).
        descriptors: Its colours and local features.
        width, height: Its size in pixels.
        sha256: The digest of its file.
        instead: The number of the bundle's photo that is shown in its place; None to show itself.
    """

    id: int
    sku: str
    vector: Vectors
    descriptors: Descriptors
    width: int
    height: int
    sha256: str
    instead: int | None = None


@dataclass(frozen=True)
class Additions:
    """Items and photos of a device's own.

    Attributes:
        items: Items that the bundle does not hold.
        photos: Photos of these, and of the bundle's items.
        thumbnail: Gives the JPEG of an added photo by its id; None where there is none any more.
    """

    items: tuple[Item, ...] = ()
    photos: tuple[AddedPhoto, ...] = ()
    thumbnail: Callable[[int], bytes | None] = field(default=lambda photo: None)


NOTHING = Additions()


class Overlay:
    """A device's additions to a bundle. It never changes; another one replaces it.

    Attributes:
        names: The sku of each item by its number: the bundle's, then those that have their first
            photos here, and those that are added.

    Args:
        names: The skus of the bundle's items with photos, by item number.
        count: How many photos the bundle has.
        additions: What is added. Photos of an item that neither the bundle has nor is added are
            left out, and so are items without photos.
        unpictured: The skus of the bundle's items that have photos here alone.
    """

    def __init__(
        self,
        names: Sequence[str],
        count: int,
        additions: Additions = NOTHING,
        unpictured: Sequence[str] = (),
    ) -> None:
        self._count = count
        self._thumbnail = additions.thumbnail
        with_photos = {photo.sku for photo in additions.photos}
        self._items = {item.sku: item for item in additions.items if item.sku in with_photos}
        more = [*unpictured, *self._items]
        self.names = [*names, *more] if more else names
        numbers = {sku: number for number, sku in enumerate(self.names)}
        self._photos = [photo for photo in additions.photos if photo.sku in numbers]
        self._owners = np.array([numbers[photo.sku] for photo in self._photos], np.int64)
        self._first_added = len(names)
        self._sides = np.bincount(self._owners, minlength=len(self.names))
        self._codes = {
            code: sku for sku, item in self._items.items() for code in codes_of(item.attributes)
        }
        self._scorers: dict[bool, CandidateScorer] = {}
        self._making = threading.Lock()

    def scorer(self, plain: CandidateScorer, *, exact: bool) -> CandidateScorer:
        """Return the scorer over the bundle's photos and the added ones.

        Args:
            plain: The bundle's own scorer.
            exact: Whether that one compares every vector.
        """
        if not self._photos:
            return plain
        with self._making:
            if exact not in self._scorers:
                photos = self._photos
                self._scorers[exact] = plain.with_more(
                    np.stack([photo.vector for photo in photos]),
                    self._owners,
                    np.stack([photo.descriptors.colours for photo in photos]),
                    [photo.descriptors.local_features for photo in photos],
                )
            return self._scorers[exact]

    def number(self, row: int) -> int:
        """Return the number of the photo to show for a row of the scorer.

        No other photo ever has the number of an added one.
        """
        if row < self._count:
            return row
        photo = self._photos[row - self._count]
        return self._count + photo.id if photo.instead is None else photo.instead

    def is_taught(self, number: int) -> bool:
        """Whether so many photos of an item were added that they show different sides of it."""
        return int(self._sides[number]) >= SIDES

    def has_taught_items(self) -> bool:
        """Whether an item without photos in the bundle has added ones of several of its sides."""
        return bool((self._sides[self._first_added :] >= SIDES).any())

    def colour_ratios(self, items: Rows, colours: Colours) -> NDArray[np.float64]:
        """Return what the colours of a thing say about items, by the log of a likelihood ratio.

        Args:
            items: The numbers of the items, (c,).
            colours: The thing's, by `thing_colours`.

        Returns:
            Float64 (c,): 0 for an item with photos in the bundle, and for one whose views are too
            few, or were not cut out.
        """
        return np.array([self._colour_ratio(number, colours) for number in items.tolist()], float)

    def _colour_ratio(self, number: int, colours: Colours) -> float:
        if number < self._first_added or not self.is_taught(number):
            return 0.0
        rows = np.flatnonzero(self._owners == number).tolist()
        views = [self._photos[row].descriptors.thing_colours for row in rows]
        known = [view for view in views if view is not None]
        if len(known) < len(views):
            return 0.0
        return thing_colours.log_ratio(float(similarity(np.stack(known), colours).max()))

    def item(self, sku: str) -> Item | None:
        """Return the added item with this sku, or None."""
        return self._items.get(sku)

    def find(self, text: str) -> list[Item]:
        """Find added items whose words hold all words of a text."""
        wanted = text.casefold().split()
        return [
            item
            for item in self._items.values()
            if all(word in _text(item) for word in wanted) and wanted
        ]

    def with_code(self, spellings: Iterable[str]) -> Item | None:
        """Return the added item whose sku, or one of whose codes, is among `spellings`."""
        for text in spellings:
            item = self._items.get(text) or self._items.get(self._codes.get(text, ""))
            if item is not None:
                return item
        return None

    @property
    def may_have_codes(self) -> bool:
        """Whether a code may name an added item."""
        return bool(self._codes)

    def photos(self, sku: str) -> list[Photo]:
        """Return the added photos of an item that are shown."""
        return [
            Photo(
                self._count + photo.id,
                sku,
                f"own/{photo.id}.jpg",
                photo.width,
                photo.height,
                photo.sha256,
            )
            for photo in self._photos
            if photo.sku == sku and photo.instead is None
        ]

    def vectors(self, sku: str) -> list[Vectors]:
        """Return the vectors of the added photos of an item, float32 (d,) each."""
        return [photo.vector for photo in self._photos if photo.sku == sku]

    def thumbnail(self, number: int) -> bytes | None:
        """Return the JPEG of an added photo, or None."""
        return None if number < self._count else self._thumbnail(number - self._count)


def _text(item: Item) -> str:
    parts = (item.title, item.sku, item.location, *item.attributes.values())
    return " ".join(parts).casefold()
