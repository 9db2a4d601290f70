"""What a shop taught goes home: the export builds, and the device then uses the catalogue."""

from __future__ import annotations

import errno
import io
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from catalog.building.build import build
from catalog.bundles.bundle import Bundle
from catalog.core.errors import ContentError, DiskFullError, ShelfError, SurroundingsError
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from edge.taught import export, store
from edge.taught.export import export_file, export_folder, export_zip
from edge.taught.taught import Taught
from edge.taught.wish import Wish
from tests.support.lessons import NEW, first, views


def test_an_exported_lesson_builds_and_then_rests(
    taught: Taught,
    bundle: Bundle,
    things: Path,
    tmp_path: Path,
    colour_grid: Featurizer,
    cache: Path,
) -> None:
    wish = Wish(sku="4711", title="Blots, red", price="3 €", attributes={"gtin": "4006381333931"})
    taught.save(wish, views(bundle, NEW))
    taught.save(Wish(sku="thing-01"), views(bundle, NEW + 1))
    assert export_folder(taught.store, tmp_path / "out") == 6
    source = read_source(tmp_path / "out" / "items.csv")
    assert {entry.item.sku for entry in source.items} == {"4711", "thing-01"}
    item = next(entry.item for entry in source.items if entry.item.sku == "4711")
    assert (item.title, item.price) == ("Blots, red", "3 €")
    assert item.attributes == {"gtin": "4006381333931"}
    together = [*read_source(things).items, *(e for e in source.items if e.item.sku == "4711")]
    build(together, tmp_path / "new.bundle", colour_grid, cache, "New")
    newer = Bundle.open(tmp_path / "new.bundle")
    taught.use(newer)
    by_sku = {found.item.sku: found for found in taught.items()}
    assert by_sku["4711"].rests
    assert not by_sku["thing-01"].rests
    assert len(newer.photos("4711")) == 3
    assert first(newer, NEW)[0] == "4711"


def test_an_export_overwrites_nothing(taught: Taught, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ContentError):
        export_folder(taught.store, tmp_path / "out")
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ContentError):
        export_folder(taught.store, tmp_path / "out")
    folder = tmp_path / "out" / "mine" / "deeper"
    with pytest.raises(SurroundingsError, match=f"^{folder}: cannot be written: "):
        export_folder(taught.store, folder)


def test_a_folder_has_a_name_that_any_system_takes(taught: Taught, bundle: Bundle) -> None:
    view = views(bundle, NEW)[:1]
    for sku in ("a b:c", "x" * 100, "中文"):
        taught.save(Wish(title="Blots", sku=sku), view)
    places = [place.parts for place, _ in export.exported_files(taught.store)]
    assert [parts[0] for parts in places] == ["items.csv", *["photos"] * 3]
    assert {parts[1] for parts in places[1:]} == {"a-b-c-1", "x" * 60 + "-2", "item-3"}


def test_a_folder_that_cannot_be_shared_does_not_stop_the_device(
    taught: Taught, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    taught.share(tmp_path / "file" / "shared")
    assert "what was taught is not ready to be shared: " in caplog.text
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    assert len(taught.items()) == 1


def test_the_zip_file_holds_the_same(taught: Taught, bundle: Bundle, tmp_path: Path) -> None:
    taught.save(Wish(title="Blots", sku="a b:c"), views(bundle, NEW))
    export_folder(taught.store, tmp_path / "out")
    file = io.BytesIO()
    export_zip(taught.store, file)
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            assert (tmp_path / "out" / name).read_bytes() == archive.read(name)
        assert len(archive.namelist()) == 4


def test_an_export_fills_no_disk(
    taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There must be room for all photos beside what stays free; another failure is no bug."""
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    room = store.LEAST_ROOM + taught.store.photo_bytes()
    monkeypatch.setattr(store, "free_bytes", lambda folder: room)
    with export_file(taught.store) as file:
        assert file.tell() == 0, "it is sent from its beginning"
        assert len(zipfile.ZipFile(file).namelist()) == 4
    monkeypatch.setattr(store, "free_bytes", lambda folder: room - 1)
    with pytest.raises(DiskFullError):
        export_file(taught.store)
    monkeypatch.setattr(store, "free_bytes", lambda folder: room)

    def fail(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "export_zip", fail)
    with pytest.raises(ShelfError, match="No space left"):
        export_file(taught.store)


def test_the_shared_folder_follows_what_is_taught(
    taught: Taught, bundle: Bundle, tmp_path: Path
) -> None:
    """And a taught item rests where the catalogue was built from its photo under another sku."""
    shared = tmp_path / "shared"
    taught.share(shared)
    assert (shared / "items.csv").read_text().startswith("sku,title")
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    photos = [photo.sha256 for photo in taught.store.photos()]
    for file in (shared / "photos").iterdir():
        assert sha256(file.read_bytes()).hexdigest() == file.stem
    assert {file.stem for file in (shared / "photos").iterdir()} == set(photos)
    taught.change(taught.items()[0].item.sku, Wish(title="Dots"))
    source = read_source(shared / "items.csv")
    assert [entry.item.title for entry in source.items] == ["Dots"]
    assert [len(entry.photos) for entry in source.items] == [3]
    assert not taught.items()[0].rests
    known = bundle.items.photos("thing-00")[0].sha256
    taught.store._connection.execute("update photos set sha256 = ? where id = 1", (known,))
    taught.use(bundle)
    assert taught.items()[0].rests
    assert bundle.item(taught.items()[0].item.sku) is None
    taught.remove_item(taught.items()[0].item.sku)
    assert list((shared / "photos").iterdir()) == []
