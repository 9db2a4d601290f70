"""Catalogue photos with surroundings are cut to the thing, where that pays."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from catalog.building import cutting
from catalog.building.assemble import Assembler
from catalog.building.build import BuildOptions, BuildReport, build
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.collect import BundlePhoto
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.photos import Picture, decode
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.networks.finder import open_finder
from catalog.recognition.local_features.extract import PER_PHOTO
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
    noise = np.random.default_rng(number * PHOTOS + photo).normal(0, 4, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


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
def cut(builds: Builds) -> BuildReport:
    """A bundle whose build may cut, also in a feature store."""
    return builds.build("cut", BuildOptions(store=str(builds.folder / "store")))


def pictures(source: Path) -> list[Picture]:
    """All photos of a source, in their order."""
    return [
        decode(Path(photo).read_bytes(), photo)
        for item in read_source(source).items
        for photo in item.photos
    ]


@pytest.mark.slow
def test_photos_in_changing_surroundings_are_cut_but_those_that_are_to_stay(
    cut: BuildReport, builds: Builds
) -> None:
    assert cut.cut
    photos = pictures(builds.source)
    whole = builds.featurizer.embed(photos)
    with Bundle.open(builds.folder / "cut") as bundle:
        same = (np.abs(bundle.vectors() - whole) < 1e-3).all(axis=1).tolist()
        assert [sku for sku, kept in zip(bundle.items.skus, same, strict=True) if kept] == [
            "s0"
        ] * 3
        thumbnail = bundle.items.thumbnail(5)
        assert thumbnail is not None
        assert np.abs(decode(thumbnail, "5").astype(int) - photos[5]).mean() < 8
        assert {len(photo.sha256) for photo in bundle.items.all_photos()} == {64}
        assert bundle.shows_things_alone
        item = bundle.item("s0")
        assert item is not None
        assert item.attributes == {}


@pytest.mark.slow
def test_a_cut_catalogue_knows_its_things_without_their_surroundings(
    cut: BuildReport, builds: Builds
) -> None:
    """As the device sees them, before a light ground."""
    clean = []
    for number in range(ITEMS):
        thing = render(drawn_items()[number * 16], View(yaw=12, size=SIDE))
        share = thing[..., 3:] / 255
        clean.append(np.asarray(235 * (1 - share) + thing[..., :3] * share, np.uint8))
    asked = builds.featurizer.embed(clean)
    skus = np.repeat([f"s{number}" for number in range(ITEMS)], PHOTOS)
    with Bundle.open(builds.folder / "cut") as bundle:
        right = [
            int((skus[(asked @ vectors.T).argmax(1)] == skus[::PHOTOS]).sum())
            for vectors in (bundle.vectors(), builds.featurizer.embed(pictures(builds.source)))
        ]
    assert right[0] > right[1]


def test_with_keep_whole_no_photo_is_looked_at_twice(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*words: object) -> bool:
        raise KeyboardInterrupt(type(words[0]).__name__)

    monkeypatch.setattr("catalog.building.build.cutting_pays", stop)
    with pytest.raises(KeyboardInterrupt, match="list"):
        builds.build("none", BuildOptions())
    monkeypatch.setattr("catalog.building.build.weigh", stop)
    with pytest.raises(KeyboardInterrupt, match="Featurizer"):
        builds.build("none", BuildOptions(keep_whole=True))


@dataclass(frozen=True)
class Trial:
    """Whether cutting pays, and which photos were cut to see it."""

    pays: bool
    looked: list[int]


def try_cutting(
    monkeypatch: pytest.MonkeyPatch, whole: Vectors, cut: Vectors, plain: int = 0
) -> Trial:
    """Try photos (n, d), three of each item, whole and cut, of which the first ones are plain."""
    photos = [
        BundlePhoto(Item(f"{number // PHOTOS}", ""), f"{number}.jpg", f"{number}", 9, 9)
        for number in range(len(whole))
    ]
    looked: list[int] = []

    def looks(places: list[str], *_: object, **__: object) -> Iterator[FeaturizedPhoto]:
        for place in places:
            looked.append(int(Path(place).stem))
            feature = PhotoFeature("", cut[looked[-1]], 9, 9, b"")
            yield FeaturizedPhoto(feature, None, reused=False)

    nothing: Any = None
    monkeypatch.setattr(cutting, "featurize", looks)
    monkeypatch.setattr(cutting, "is_plain", lambda photo, _: int(photo.key) < plain)
    pays = cutting.cutting_pays(photos, whole, (), nothing, nothing, nothing, lambda *_: None)
    return Trial(pays, looked)


def in_pairs(items: int) -> tuple[Vectors, Vectors]:
    """Vectors of photos as a whole and cut: neighbours stand before the same three grounds."""
    photo = np.arange(items * PHOTOS)
    item, ground = photo // PHOTOS, photo // PHOTOS // 2 * PHOTOS + photo % PHOTOS
    kinds = np.eye(len(photo), dtype=np.float32)
    cut = np.hstack([kinds[item], 0 * kinds])
    return np.hstack([0.5 * kinds[item], kinds[ground]]), cut


@pytest.mark.parametrize("items", [2, 4, 20, 60, 120])
def test_cutting_pays_where_neighbours_share_grounds(
    monkeypatch: pytest.MonkeyPatch, items: int
) -> None:
    trial = try_cutting(monkeypatch, *in_pairs(items))
    assert trial.pays
    assert trial.looked == list(range(items * PHOTOS))


@pytest.mark.parametrize(("items", "tried"), [(58, 58), (60, 30), (120, 60)])
def test_the_trial_of_many_items_ends_at_half_where_cutting_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, items: int, tried: int
) -> None:
    whole, _ = in_pairs(items)
    trial = try_cutting(monkeypatch, whole, whole)
    assert not trial.pays
    assert trial.looked == list(range(tried * PHOTOS))


def test_a_half_before_plain_grounds_does_not_end_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = try_cutting(monkeypatch, *in_pairs(60), plain=30 * PHOTOS)
    assert trial.pays
    assert trial.looked == list(range(30 * PHOTOS, 60 * PHOTOS))


@pytest.mark.slow
def test_the_next_build_reuses_what_was_cut(cut: BuildReport, builds: Builds) -> None:
    places = [photo for item in read_source(builds.source).items for photo in item.photos]
    finder = open_finder(builds.featurizer.engine)
    with closing(FeatureCache(builds.cache)) as cache:
        for look in featurize(
            places,
            builds.featurizer,
            cache,
            PER_PHOTO,
            finder,
            cluttered_only=True,
            whole=places[:3],
        ):
            assert isinstance(look, FeaturizedPhoto)
            assert look.reused


@pytest.mark.slow
def test_a_bundle_of_the_store_has_the_same_cut_photos(cut: BuildReport, builds: Builds) -> None:
    folder = builds.folder
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
