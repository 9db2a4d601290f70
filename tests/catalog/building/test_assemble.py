"""Bundles that are assembled of a feature store, without running a network."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.building import assemble
from catalog.building.assemble import Assembler, AssembleReport, Wanted
from catalog.building.build import BuildOptions, build
from catalog.building.feature_store import FeatureStore
from catalog.building.selection import Selection
from catalog.building.stored_catalogue import Shared, StoredItem, open_catalogue, save_catalogue
from catalog.building.stored_featurizer import open_featurizer
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.bundles.validator import validate
from catalog.cli.assemble import bundle_name
from catalog.core.errors import BundleError, ContentError
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import Network
from catalog.sources.read import read_source
from tests.conftest import Fill, Surroundings

BY_PHOTOS = ("vectors.npy", "index.ann", "colours.npy", "pictures.db")


@pytest.fixture(scope="module")
def table(things: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the things, each in a shop, and one item without a photo."""
    path = tmp_path_factory.mktemp("table") / "items.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "photo", "price", "shop"])
        for number, folder in enumerate(sorted(things.iterdir())):
            for photo in sorted(folder.iterdir()):
                shop = ("north", "south/east")[number % 2]
                writer.writerow([folder.name, f"Thing {number}", photo, f"{number}.50", shop])
        writer.writerow(["unseen", "Never photographed", "", "9", "north"])
    return path


@pytest.fixture(scope="module")
def built(
    made_once: Callable[[str, Fill], Path],
    table: Path,
    colour_grid: Featurizer,
    filled_cache: Path,
) -> Path:
    """A folder with a bundle of the table, and the store that its build filled."""

    def fill(folder: Path) -> None:
        options = BuildOptions(store=str(folder / "store"))
        items = read_source(table).items
        build(items, folder / "whole.bundle", colour_grid, filled_cache, "Chain", options)

    return made_once("assembled-of", fill)


@pytest.fixture
def assembler(built: Path, tmp_path: Path) -> Assembler:
    """One with a build cache of its own."""
    return Assembler(str(built / "store"), tmp_path / "empty")


def assembled(
    assembler: Assembler, items: Sequence[StoredItem], out: Path, title: str
) -> AssembleReport:
    """Assemble while no network may run."""

    def refuse(network: Network, batch: Any) -> Any:
        raise AssertionError("a network ran")

    assembler.fetch(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "run", refuse)
        return assembler.assemble(items, out, title)


def test_a_bundle_of_all_items_is_the_one_that_was_built(
    built: Path, assembler: Assembler, tmp_path: Path
) -> None:
    report = assembled(assembler, assembler.catalogue.items, tmp_path / "out", "Chain")
    for name in (*BY_PHOTOS, "items.db", "words.db", "metric.npy"):
        there = built / "whole.bundle" / name
        assert there.exists() == (tmp_path / "out" / name).exists()
        if there.exists():
            assert there.read_bytes() == (tmp_path / "out" / name).read_bytes(), name
    with Bundle.open(built / "whole.bundle") as whole, Bundle.open(tmp_path / "out") as again:
        assert (report.items, report.photos, report.queries) == (7, 24, 24)
        assert whole.manifest.calibration == again.manifest.calibration
        assert again.manifest.title == "Chain"


def test_a_bundle_of_some_items_passes_the_validator_and_holds_no_other(
    built: Path, assembler: Assembler, tmp_path: Path
) -> None:
    chosen = Selection(assembler.catalogue.items).select("shop = 'north' and price < '4'")
    report = assembled(assembler, chosen, tmp_path / "out", "North")
    assert (report.items, report.photos) == (2, 8)
    assert report.queries == 8
    validate(tmp_path / "out", "onnxruntime")
    with Bundle.open(built / "whole.bundle") as whole, Bundle.open(tmp_path / "out") as part:
        assert part.items.count() == 2
        rows = [whole.items.skus.index(sku) for sku in dict.fromkeys(part.items.skus)]
        vectors = np.concatenate([whole.vectors()[row : row + 4] for row in rows])
        assert np.array_equal(part.vectors(), vectors)
        assert part.thumbnail(0) == whole.thumbnail(rows[0])


def test_where_a_bundle_may_not_be_nothing_is_written(assembler: Assembler, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    with pytest.raises(BundleError, match="is not a bundle"):
        assembler.assemble(assembler.catalogue.items, tmp_path / "mine", "Chain")
    unpictured = [item for item in assembler.catalogue.items if not item.photos]
    with pytest.raises(ContentError, match="no item of 1 has a photo"):
        assembler.assemble(unpictured, tmp_path / "out", "Chain")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine"]


def test_a_featurizer_that_is_missing_or_another_is_told(built: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(built / "store", tmp_path / "store"))
    (folder,) = (store / "featurizers").iterdir()
    for identity in ("../featurizers", folder.name[:-1], "0" * 16):
        with pytest.raises(ContentError, match=r"no id of a featurizer|has no featurizer 0"):
            open_featurizer(FeatureStore(str(store)), identity, tmp_path / "cache", "auto")
    other = folder.rename(folder.with_name("1" * 16))
    with pytest.raises(ContentError, match=f"its featurizer {other.name} is {folder.name}"):
        open_featurizer(FeatureStore(str(store)), other.name, tmp_path / "cache", "auto")
    assert not (tmp_path / "cache" / "featurizers" / other.name).exists()


def test_a_long_value_has_a_short_name() -> None:
    names = {bundle_name("日" * 90), bundle_name("日" * 91)}
    assert len(names) == 2
    assert all(len(name) < 180 for name in names)


def test_a_record_that_is_lost_is_told(built: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(built / "store", tmp_path / "store"))
    for file in (store / "photos").rglob("*.parquet"):
        file.unlink()
    assembler = Assembler(str(store), tmp_path / "empty")
    with pytest.raises(ContentError, match="lacks the records of 24 photos"):
        assembler.fetch(assembler.catalogue.items)
    with pytest.raises(ContentError, match="left the build cache"):
        assembler.assemble(assembler.catalogue.items, tmp_path / "out", "Chain")
    assert not (tmp_path / "out").exists()


def test_a_changed_price_adds_items_alone_to_the_store(
    built: Path, table: Path, colour_grid: Featurizer, cache: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(built / "store", tmp_path / "store"))
    opened = FeatureStore(str(store))
    before = {size.table: size for size in opened.sizes()}
    dearer = tmp_path / "items.csv"
    dearer.write_text(table.read_text().replace("2.50", "7.77"))
    options = BuildOptions(store=str(store))
    build(read_source(dearer).items, tmp_path / "out", colour_grid, cache, "Chain", options)
    assert {size.table: size for size in opened.sizes()} == before
    items = Assembler(str(store), tmp_path / "empty").catalogue.items
    assert sum(stored.item.price == "7.77" for stored in items) == 1


def test_the_last_catalogue_saved_is_the_newest(colour_grid: Featurizer, tmp_path: Path) -> None:
    store = FeatureStore(str(tmp_path / "store"))
    none = np.zeros((0, 8), np.float32)

    def saved(title: str) -> str:
        items = [StoredItem(Item(title, title), ())]
        return save_catalogue(store, title, colour_grid, items, Shared([], none, none))

    for number in range(20):  # most of them within a second
        saved(f"number {number}")
        assert open_catalogue(store).title == f"number {number}"
    name = saved("by a clock that is ahead")
    for file in (tmp_path / "store" / "items").glob(f"{name}.*"):
        file.rename(file.with_name(file.name.replace(name[:4], "2999")))
    saved("after it")
    assert open_catalogue(store).title == "after it"


def test_an_item_is_selected_by_its_columns_and_by_a_table_of_assortments(
    assembler: Assembler, tmp_path: Path
) -> None:
    items = assembler.catalogue.items
    selection = Selection(items)
    assert selection.values("shop") == ["north", "south/east"]
    assert len(selection.select("true")) == 7
    skus = [stored.item.sku for stored in items]
    assert [row.item.sku for row in selection.having("shop", "south/east")] == skus[1::2]
    for wrong in ("shp = 'north'", "1; drop table items", "sku in (", "load_extension('x')"):
        with pytest.raises(ContentError, match=r"the columns are sku, .*shop"):
            selection.select(wrong)
    for wrong in ("sku = '\0'", "1) union select sku from items where (1"):
        with pytest.raises(ContentError, match=r"^select distinct "):
            selection.select(wrong)
    with pytest.raises(ContentError, match="holds for none of the 7 items"):
        selection.select("price = 'free'")
    with pytest.raises(ContentError, match="no column country"):
        selection.values("country")
    (tmp_path / "a.csv").write_text(f"sku;branch\n{skus[0]};1\n{skus[0]};2\n{skus[2]};2\n")
    both = Selection(items, tmp_path / "a.csv")
    assert both.values("branch") == ["1", "2"]
    assert [row.item.sku for row in both.having("branch", "2")] == [skus[0], skus[2]]
    assert len(both.select("shop = 'north'")) == 2
    (tmp_path / "b.csv").write_text("sku,shop\nx,1\n")
    with pytest.raises(ContentError, match="the items have a column shop, too"):
        Selection(items, tmp_path / "b.csv")


def test_many_are_assembled_of_the_catalogue_that_was_opened(
    built: Path, colour_grid: Featurizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = str(shutil.copytree(built / "store", tmp_path / "store"))
    opened = Assembler(store, tmp_path / "cache").catalogue
    shared = Shared([], np.empty((0, 4), np.float32), np.empty((0, 4), np.float32))
    newer = save_catalogue(FeatureStore(store), "Newer", colour_grid, opened.items[:1], shared)
    assert open_catalogue(FeatureStore(store)).name == newer
    processes: list[Assembler] = []
    monkeypatch.setattr(assemble, "_opened", processes)
    monkeypatch.setattr(assemble, "prepare_worker", lambda: None)
    monkeypatch.setattr(assemble, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(assemble, "get_context", lambda method: "")
    bundle = Wanted(opened.items, tmp_path / "out", "Chain")
    monkeypatch.setattr(assemble, "_assemble", lambda wanted: processes[0].catalogue.name)
    many: list[Any] = assemble.assemble_many(
        store, opened.name, tmp_path / "cache", "auto", [bundle]
    )
    assert many == [opened.name]


@pytest.mark.slow
def test_the_command_writes_a_bundle_for_each_value(
    built: Path, surroundings: Surroundings, tmp_path: Path
) -> None:
    store, out = str(built / "store"), str(tmp_path / "out")
    words = ["catalog", "assemble", store, "--out", out, "--each", "shop", "--json"]
    command = [sys.executable, "-m", "visual_search", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert [(Path(report["path"]).name, report["items"]) for report in reports] == [
        ("north.bundle", 4),
        ("south%2Feast.bundle", 3),
    ]
    with Bundle.open(tmp_path / "out" / "south%2Feast.bundle") as bundle:
        assert bundle.manifest.title == "Chain south/east"
    failed = surroundings.run("catalog", "assemble", tmp_path, "--out", tmp_path / "x")
    assert failed.returncode == 1
    assert "holds no catalogue; fill it with" in failed.stderr
