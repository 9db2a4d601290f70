"""What shops taught their devices, merged into a catalogue's source.

A photo of a known item becomes one more of it. A thing that two shops taught under different
numbers, or that the catalogue has under its own, is one item where product number or title say so.
What contradicts another is listed for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from catalog.core.photos import is_address
from catalog.sources.source import Source, SourceItem, as_title
from catalog.sources.tables.read import read_table

TABLE = "items.csv"
PHOTOS = "photos"  # the folder beside the table that holds its photos
OWN = "own-"  # how the numbers begin that devices give


@dataclass(frozen=True)
class Shared:
    """What one device shares: its name, and its items."""

    device: str
    source: Source


def read_shared(folder: Path) -> Shared:
    """Read a folder that `edge export` wrote, or that was fetched.

    A device that shares and was taught nothing has a table without rows. The table comes from a
    stranger: photos that are not in its own folder are left out, for the build would put whatever
    else is on this machine, or in its network, into the catalogue.

    Raises:
        ContentError: It has no table.
        TableError: The table cannot be read.
    """
    table, device = folder / TABLE, folder.resolve().name
    if not table.is_file():
        raise ContentError(f"{folder}: has no {TABLE}; name a folder of 'edge export'")
    if len(table.read_bytes().splitlines()) < 2:
        return Shared(device, Source([]))
    return Shared(device, _with_own_photos(read_table(table, {}), folder))


def _with_own_photos(source: Source, folder: Path) -> Source:
    """Return the source without photos from elsewhere, and without items that have no other."""
    items, left_out = [], []
    for item in source.items:
        own = tuple(photo for photo in item.photos if _is_own(photo, folder))
        left_out += [
            f"{folder / TABLE}, {item.item.sku}: photo {photo}: is no JPEG in {PHOTOS}/ beside it"
            for photo in item.photos
            if photo not in own
        ]
        if own or not item.photos:
            items.append(replace(item, photos=own))
    return replace(source, items=items, left_out=(*source.left_out, *left_out))


def _is_own(photo: str, folder: Path) -> bool:
    if is_address(photo):
        return False
    try:
        place = Path(photo).resolve()  # follows links, and takes ".." away
        is_within = place.is_relative_to(folder.resolve() / PHOTOS)
        return is_within and place.suffix == ".jpg" and not place.is_dir()
    except (OSError, ValueError, RuntimeError):  # no name of a file, or links in a circle
        return False


def merge_shared(source: Source, shared: Sequence[Shared]) -> Source:
    """Return a source with what devices share; its own fields stay as they are."""
    merging = _Merging(source)
    for device in shared:
        merging.leave_out(device.source.left_out)
        for item in device.source.items:
            merging.add(device.device, item)
    return merging.source()


class _Merging:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._items = {item.item.sku: item for item in source.items}
        self._origin = dict.fromkeys(self._items, "the catalogue's own source")
        self._by_title: dict[str, list[str]] = {}
        self._by_gtin: dict[str, str] = {}
        for item in source.items:
            self._remember(item.item)
        self._notes: list[str] = []
        self._warnings: list[str] = []
        self._left_out: list[str] = []

    def add(self, device: str, item: SourceItem) -> None:
        """Add an item of a device: as itself, or as further photos of a known one."""
        sku, title = item.item.sku, item.item.title
        is_named = title != as_title(sku)  # else it is an item of the device's catalogue
        known = self._items.get(sku)
        if known is not None:
            if is_named and _folded(title) != _folded(known.item.title):
                self._warnings.append(
                    f"{device}: {sku} is {title!r} there, and {known.item.title!r} in "
                    f"{self._origin[sku]}; its photos were left out, decide which it is"
                )
                return
            self._add_photos(device, sku, item, "")
        elif (same := self._same_thing(device, item.item)) is not None:
            self._add_photos(device, same, item, f"{sku}, {title!r}, is taken for {same}; ")
        elif is_named:
            self._items[sku], self._origin[sku] = item, device
            self._remember(item.item)
            self._notes.append(f"{device}: {sku}, {title!r}, is new")
        else:
            self._left_out.append(f"{device}, {sku}: no item has that number any more")

    def leave_out(self, remarks: Sequence[str]) -> None:
        """Note what was not used of a device's table."""
        self._left_out += remarks

    def source(self) -> Source:
        """Return what was merged."""
        own = self._source
        return Source(
            list(self._items.values()),
            (*own.left_out, *self._left_out),
            (*own.notes, *self._notes),
            (*own.warnings, *self._warnings),
        )

    def _same_thing(self, device: str, item: Item) -> str | None:
        """The known item that a device's own item is, by its product number or its title."""
        gtin = item.attributes.get("gtin", "")
        if gtin in self._by_gtin:
            return self._by_gtin[gtin]
        if not item.sku.startswith(OWN):
            return None
        titled = self._by_title.get(_folded(item.title), [])
        others = {self._items[sku].item.attributes.get("gtin", "") for sku in titled}
        if len(titled) == 1 and (not gtin or others == {""}):
            return titled[0]
        if titled:
            self._warnings.append(
                f"{device}: {item.sku} has the title of {', '.join(titled)}, {item.title!r}, and "
                "may be another thing; it was built as an item of its own"
            )
        return None

    def _add_photos(self, device: str, sku: str, item: SourceItem, why: str) -> None:
        known = self._items[sku]
        self._items[sku] = replace(known, photos=(*known.photos, *item.photos))
        self._notes.append(f"{device}: {why}{len(item.photos)} more photos of {sku}")

    def _remember(self, item: Item) -> None:
        self._by_title.setdefault(_folded(item.title), []).append(item.sku)
        if gtin := item.attributes.get("gtin"):
            self._by_gtin.setdefault(gtin, item.sku)


def _folded(title: str) -> str:
    return " ".join(title.split()).casefold()
