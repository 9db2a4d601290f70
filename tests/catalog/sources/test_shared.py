"""What shops taught their devices becomes part of the catalogue's source, once, or is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.bundles.items import Item
from catalog.core.errors import ContentError
from catalog.core.settings import DeviceSettings
from catalog.sources.shared import Shared, merge_shared, read_shared
from catalog.sources.source import Source, SourceItem
from edge.taught.shared_folder import SharedFolder
from edge.taught.store import TaughtStore
from sync.sharing.upload import share
from sync.stores.folder import FolderStore
from tests.support.drawing import write_things
from visual_search.command import command


def item(sku: str, title: str, *photos: str, gtin: str = "") -> SourceItem:
    attributes = {"gtin": gtin} if gtin else {}
    return SourceItem(Item(sku, title, attributes=attributes), photos)


def shop(device: str, *items: SourceItem) -> Shared:
    return Shared(device, Source(list(items)))


BASE = Source(
    [
        item("4711", "Blue cup", "a.jpg", gtin="4006381333931"),
        item("4712", "Red cup", "b.jpg"),
        item("4713", "Lamp", "c.jpg"),
        item("4714", "Lamp", "d.jpg"),
    ]
)


def photos(source: Source) -> dict[str, tuple[str, ...]]:
    return {entry.item.sku: entry.photos for entry in source.items}


def test_photos_join_their_item_and_new_things_come_once() -> None:
    merged = merge_shared(
        BASE,
        [
            shop("one", item("4711", "4711", "1.jpg"), item("own-a", "Green  plate", "2.jpg")),
            shop("two", item("own-b", "green plate", "3.jpg"), item("5000", "Bowl", "4.jpg")),
            shop("three", item("own-c", "Cup, blue", "5.jpg", gtin="4006381333931")),
            shop("four", item("own-d", "RED CUP", "6.jpg")),
        ],
    )
    assert photos(merged) == {
        "4711": ("a.jpg", "1.jpg", "5.jpg"),
        "4712": ("b.jpg", "6.jpg"),
        "4713": ("c.jpg",),
        "4714": ("d.jpg",),
        "own-a": ("2.jpg", "3.jpg"),
        "5000": ("4.jpg",),
    }
    assert merged.warnings == ()
    assert "three: own-c, 'Cup, blue', is taken for 4711; 1 more photos of 4711" in merged.notes
    assert "one: own-a, 'Green  plate', is new" in merged.notes


def test_what_contradicts_is_listed_for_a_person() -> None:
    merged = merge_shared(
        BASE,
        [
            shop("one", item("4712", "Green bowl", "1.jpg"), item("9999", "9999", "2.jpg")),
            shop("two", item("own-a", "Lamp", "3.jpg")),
            shop("three", item("own-b", "Blue cup", "4.jpg", gtin="4000000000006")),
        ],
    )
    assert photos(merged) == photos(BASE) | {"own-a": ("3.jpg",), "own-b": ("4.jpg",)}
    assert [warning.partition(";")[0] for warning in merged.warnings] == [
        "one: 4712 is 'Green bowl' there, and 'Red cup' in the catalogue's own source",
        "two: own-a has the title of 4713, 4714, 'Lamp', and may be another thing",
        "three: own-b has the title of 4711, 'Blue cup', and may be another thing",
    ]
    assert merged.left_out == ("one, 9999: no item has that number any more",)


def test_a_build_takes_an_export_and_a_store(tmp_path: Path) -> None:
    """From a folder of `edge export`, and from what devices have shared in a store."""
    things = write_things(tmp_path / "things", 2, 1)
    device = DeviceSettings(data_dir=tmp_path / "device", thing="shop-1")
    (device.shared / "photos").mkdir(parents=True)
    device.state.mkdir()
    (device.shared / "items.csv").write_text("sku,title,photo\nown-1,Bowl,photos/x.jpg\n")
    (tmp_path / "store").mkdir()
    share(FolderStore(tmp_path / "store"), device)
    for place in (device.shared, tmp_path / "store", (tmp_path / "store").as_uri()):
        done = CliRunner().invoke(
            command,
            ["catalog", "build", str(things), "--dry-run", "--with", str(place)],
            env={"VISUAL_SEARCH_CATALOG__CACHE_DIR": str(tmp_path / "cache")},
            catch_exceptions=False,
        )
        assert done.exit_code == 0, done.output
        assert "own-1, 'Bowl', is new" in " ".join(done.output.split())


def test_a_device_that_was_taught_nothing_shares_nothing(tmp_path: Path) -> None:
    store = TaughtStore(tmp_path / "state")
    SharedFolder(store, tmp_path / "shop").renew()
    store.close()
    shared = read_shared(tmp_path / "shop")
    assert shared == Shared("shop", Source([]))
    assert photos(merge_shared(BASE, [shared])) == photos(BASE)


def test_a_place_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"has no items\.csv"):
        read_shared(tmp_path)


def test_a_shared_table_reaches_no_file_but_its_own_photos(tmp_path: Path) -> None:
    """Who shares must not get the owner's files, or what answers in the owner's network."""
    (tmp_path / "private.jpg").write_bytes(b"private")
    pictures = tmp_path / "shop" / "photos"
    (pictures / "folder.jpg").mkdir(parents=True)
    (pictures / "link.jpg").symlink_to(tmp_path / "private.jpg")
    (pictures / "cup-1").mkdir()
    outside = [
        "../private.jpg",
        str(tmp_path / "private.jpg"),
        "photos/../../private.jpg",
        "photos\\..\\..\\private.jpg",
        "photos/link.jpg",
        "photos/folder.jpg",
        "photos/notes.txt",
        "http://127.0.0.1:9/admin.jpg",
        "//127.0.0.1:9/photos/admin.jpg",
        "..",
        "photos",
    ]
    rows = [f"own-{number},Thing {number},{place}" for number, place in enumerate(outside)]
    rows += ["own-cup,Cup,photos/cup-1/1.jpg", "own-cup,Cup,../private.jpg"]
    table = tmp_path / "shop" / "items.csv"
    table.write_text("\n".join(["sku,title,photo", *rows]))
    merged = merge_shared(Source([]), [read_shared(tmp_path / "shop")])
    assert photos(merged) == {"own-cup": (str(pictures / "cup-1" / "1.jpg"),)}
    assert len(merged.left_out) == len(outside) + 1
    assert f"{table}, own-0: photo {table.parent / '../private.jpg'}: is no JPEG" in str(
        merged.left_out[0]
    )


def test_a_link_in_place_of_the_photos_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "private.jpg").write_bytes(b"private")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "photos").symlink_to(tmp_path / "pictures")
    table = tmp_path / "shop" / "items.csv"
    table.write_text("sku,title,photo\nown-1,Cup,photos/private.jpg\n")
    shared = read_shared(tmp_path / "shop")
    assert shared.source.items == []
    assert len(shared.source.left_out) == 1
