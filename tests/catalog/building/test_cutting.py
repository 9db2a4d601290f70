"""Catalogue photos with surroundings are cut to the thing, where that pays."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.building.assemble import Assembler
from catalog.building.build import BuildOptions, BuildReport, build
from catalog.bundles.bundle import Bundle
from catalog.core.photos import Picture
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from catalog.sources.source import source_item
from catalog.synthetic.items import drawn_items
from catalog.synthetic.render import View, render
from edge.simulator.backgrounds import background

ITEMS, PHOTOS, SIDE = 8, 3, 240


def in_surroundings(number: int, photo: int) -> Picture:
    """A drawn thing on a counter that no other photo shows."""
    image = background(100 + number * PHOTOS + photo, (SIDE, SIDE))
    thing = render(drawn_items()[number * 16], View(yaw=photo * 8, size=SIDE // 2))
    height, width = thing.shape[:2]
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    part = image[top : top + height, left : left + width]
    share = thing[..., 3:] / 255
    part[:] = np.asarray(part * (1 - share) + thing[..., :3] * share, np.uint8)
    return image


@pytest.fixture(scope="module")
def cluttered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of things, each photographed on several counters."""
    folder = tmp_path_factory.mktemp("cluttered")
    with (folder / "items.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sku", "title", "photo", "keep_whole"])
        for number in range(ITEMS):
            for photo in range(PHOTOS):
                name = f"{number}-{photo}.png"
                cv2.imwrite(str(folder / name), in_surroundings(number, photo))
                rows.writerow([f"s{number}", f"Thing {number}", name, "yes" if number == 0 else ""])
    return folder / "items.csv"


@dataclass(frozen=True)
class Builds:
    """Where the bundles and the feature store of these tests are, and how to build another."""

    folder: Path
    source: Path
    featurizer: Featurizer
    cache: Path

    def build(self, name: str, options: BuildOptions) -> BuildReport:
        """Build the table of things at a place in the folder."""
        items = read_source(self.source).items
        return build(items, self.folder / name, self.featurizer, self.cache, name, options)


@pytest.fixture(scope="module")
def builds(
    cluttered: Path,
    colour_grid: Featurizer,
    filled_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Builds:
    """Builds of the things with a network that sees colours alone."""
    return Builds(tmp_path_factory.mktemp("built"), cluttered, colour_grid, filled_cache)


@pytest.fixture(scope="module")
def folder(builds: Builds) -> Path:
    """Where the bundles are."""
    return builds.folder


@pytest.fixture(scope="module")
def cut(builds: Builds) -> BuildReport:
    """A bundle whose build may cut, also in a feature store."""
    return builds.build("cut", BuildOptions(store=str(builds.folder / "store")))


@pytest.fixture(scope="module")
def whole(builds: Builds) -> BuildReport:
    """A bundle of whole photos."""
    return builds.build("whole", BuildOptions(keep_whole=True))


@pytest.mark.slow
def test_photos_in_changing_surroundings_are_cut_but_those_that_are_to_stay(
    cut: BuildReport, whole: BuildReport, folder: Path
) -> None:
    assert (cut.cut, whole.cut) == (True, False)
    with Bundle.open(folder / "cut") as one, Bundle.open(folder / "whole") as other:
        same = (one.vectors() == other.vectors()).all(1)
        assert [sku for sku, kept in zip(one.items.skus, same, strict=True) if kept] == ["s0"] * 3
        assert one.items.thumbnail(5) == other.items.thumbnail(5)
        assert [photo.sha256 for photo in one.items.all_photos()] == [
            photo.sha256 for photo in other.items.all_photos()
        ]
        assert (one.shows_things_alone, other.shows_things_alone) == (True, False)
        item = one.item("s0")
        assert item is not None
        assert item.attributes == {}


@pytest.mark.slow
def test_a_cut_catalogue_knows_its_things_without_their_surroundings(
    cut: BuildReport, whole: BuildReport, folder: Path
) -> None:
    """As the device sees them, before a light ground."""
    pictures = []
    for number in range(ITEMS):
        thing = render(drawn_items()[number * 16], View(yaw=12, size=SIDE))
        share = thing[..., 3:] / 255
        pictures.append(np.asarray(235 * (1 - share) + thing[..., :3] * share, np.uint8))
    right = {}
    for report in (cut, whole):
        with Bundle.open(Path(report.path)) as bundle:
            vectors = bundle.featurizer.embed(pictures)
            first = [bundle.search(vector, 1)[0].sku for vector in vectors]
        right[report.path] = sum(sku == f"s{number}" for number, sku in enumerate(first))
    assert right[cut.path] > right[whole.path]


@pytest.mark.slow
def test_the_next_build_reuses_what_was_cut(cut: BuildReport, builds: Builds, folder: Path) -> None:
    again = builds.build("again", BuildOptions())
    assert (again.cut, again.reused) == (True, again.photos)
    with Bundle.open(folder / "cut") as one, Bundle.open(folder / "again") as other:
        assert (one.vectors() == other.vectors()).all()


@pytest.mark.slow
def test_a_bundle_of_the_store_has_the_same_cut_photos(cut: BuildReport, folder: Path) -> None:
    assembler = Assembler(str(folder / "store"), folder / "empty-cache")
    items = [stored for stored in assembler.catalogue.items if stored.item.sku in ("s0", "s5")]
    assembler.fetch(items)
    assembler.assemble(items, folder / "assembled", "Assembled")
    with Bundle.open(folder / "cut") as one, Bundle.open(folder / "assembled") as part:
        rows = [number for number, sku in enumerate(one.items.skus) if sku in ("s0", "s5")]
        assert (one.vectors()[rows] == part.vectors()).all()
        assert part.shows_things_alone is True
        assert [photo.sha256 for photo in part.items.photos("s5")] == [
            photo.sha256 for photo in one.items.photos("s5")
        ]


@pytest.mark.parametrize(
    ("word", "kept"), [("yes", True), ("1", True), (True, True), ("No", False), (None, False)]
)
def test_what_keeps_an_items_photos_whole_is_no_attribute(word: object, kept: bool) -> None:
    item = source_item({"sku": "a", "keep_whole": word, "size": "8"}, ("a.png",))
    assert (item.keep_whole, item.item.attributes) == (kept, {"size": "8"})
