"""Builds: what they leave out, reuse, refuse, and survive."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from catalog.building import calibration_queries
from catalog.building.addresses import AddressCache
from catalog.building.build import BuildOptions, BuildReport, build, build_source
from catalog.building.cache import FeatureCache, PhotoFeature
from catalog.building.collect import BundlePhoto
from catalog.building.features import FeaturizedPhoto, featurize
from catalog.building.raw_vectors import cached_raw
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import read_manifest, verify
from catalog.core.errors import BundleError, ContentError, ShelfError
from catalog.core.photos import Picture, decode, encode_jpeg
from catalog.core.vectors import Vectors
from catalog.networks.featurizer import Featurizer
from catalog.recognition.augment import augment
from catalog.sources.read import read_source
from catalog.sources.source import Source
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, jpeg, png, write_things

MANY_THINGS, MANY_PHOTOS = 60, 5
Builder = Callable[[Path, Path], BuildReport]


@pytest.fixture
def make(colour_grid: Featurizer, cache: Path) -> Builder:
    """Builds a source at a place."""

    def made(source: Path, out: Path) -> BuildReport:
        return build(read_source(source).items, out, colour_grid, cache, "Test")

    return made


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos enough for a build to be interrupted in."""
    return write_things(tmp_path_factory.mktemp("many"), MANY_THINGS, MANY_PHOTOS, first=200)


def names(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def test_what_the_source_left_out_is_in_the_report_and_strict_refuses_it(
    things: Path, colour_grid: Featurizer, filled_cache: Path, tmp_path: Path
) -> None:
    left_out = ("items.csv, line 7: no sku", "items.csv, line 9: not JSON")
    source = Source(read_source(things).items, left_out, ("items.csv: sku from 'Code'",))
    where = tmp_path / "out", colour_grid, filled_cache, "Test"
    with pytest.raises(ContentError, match=r"nothing was built, as --strict says: 2 rows or files"):
        build_source(source, *where, BuildOptions(strict=True))
    assert not (tmp_path / "out").exists()
    report = build_source(source, *where)
    assert (report.left_out, report.notes) == (left_out, source.notes)
    assert report.skipped == ()


@pytest.mark.slow
def test_unusable_photos_are_left_out_by_name_and_reason(make: Builder, tmp_path: Path) -> None:
    photos = write_things(tmp_path / "photos", 3, 3)
    (photos / "thing-00" / "notes.txt").write_text("hello")
    (photos / "thing-01" / "1.png").write_bytes(b"")
    (photos / "thing-01" / "2.png").write_bytes(png(draw_thing(1))[:2000])
    thin = cv2.imencode(".png", np.zeros((12, 1500, 3), np.uint8))[1].tobytes()
    (photos / "thing-01" / "3.png").write_bytes(thin)
    (photos / "thing-02" / "link.png").symlink_to("absent.png")
    report = make(photos, tmp_path / "out")
    assert [(Path(photo.name).name, photo.reason) for photo in report.skipped] == [
        ("1.png", "the file is empty"),
        ("2.png", "the picture is damaged or cut short"),
        (
            "3.png",
            "1500 x 12 pixels are too long and thin (at most 50 times as long, and 65536 pixels)",
        ),
    ]
    assert report.photos == 7
    assert report.few_photos == ("thing-01",)


@pytest.mark.slow
def test_items_left_without_photos_are_named_and_not_in_the_bundle(
    make: Builder, tmp_path: Path
) -> None:
    photos = write_things(tmp_path / "photos", 3, 3)
    for number in range(3):
        (photos / "thing-01" / f"{number}.png").write_bytes(b"spoilt")
    (photos / "empty").mkdir()
    report = make(photos, tmp_path / "out")
    assert report.without_photos == ("empty", "thing-01")
    assert report.items == 2
    bundle = Bundle.open(tmp_path / "out")
    assert bundle.item("thing-01") is None
    assert bundle.item("thing-02") is not None


@pytest.mark.slow
def test_items_with_fewer_than_three_photos_are_named(make: Builder, tmp_path: Path) -> None:
    photos = write_things(tmp_path / "photos", 2, 3)
    write_things(photos, 1, 2, first=2)
    write_things(photos, 1, 1, first=3)
    assert make(photos, tmp_path / "out").few_photos == ("thing-02", "thing-03")


@pytest.mark.slow
def test_one_photo_is_enough_for_a_bundle(make: Builder, tmp_path: Path) -> None:
    make(write_things(tmp_path / "photos", 1, 1), tmp_path / "out")
    bundle = Bundle.open(tmp_path / "out")
    (match,) = bundle.search(bundle.featurizer.embed([draw_thing(0)])[0], 5)
    assert (match.sku, round(match.similarity, 2)) == ("thing-00", 1.0)


def test_without_a_usable_photo_nothing_is_built(make: Builder, tmp_path: Path) -> None:
    (tmp_path / "photos" / "item").mkdir(parents=True)
    (tmp_path / "photos" / "item" / "a.png").write_bytes(b"spoilt")
    with pytest.raises(ContentError, match="none of the photos could be used"):
        make(tmp_path / "photos", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_rebuild_works_only_on_changed_and_new_photos(make: Builder, tmp_path: Path) -> None:
    photos = write_things(tmp_path / "photos", 4, 3, first=80)
    assert make(photos, tmp_path / "out").reused == 0
    assert make(photos, tmp_path / "out").reused == 12
    (photos / "thing-80" / "0.png").write_bytes(png(draw_thing(99)))
    (photos / "thing-81" / "1.png").rename(photos / "thing-81" / "renamed.png")
    write_things(photos, 1, 2, first=90)
    report = make(photos, tmp_path / "out")
    assert (report.photos, report.reused) == (14, 11)
    bundle = Bundle.open(tmp_path / "out")
    vector = bundle.featurizer.embed([draw_thing(99)])[0]
    assert bundle.search(vector, 1)[0].similarity == pytest.approx(1, abs=1e-3)


def featurized(folder: Path, featurizer: Featurizer, cache_folder: Path) -> list[bool]:
    """Whether each photo's feature was reused; all must be usable."""
    places = [place for entry in read_source(folder).items for place in entry.photos]
    with closing(FeatureCache(cache_folder)) as cache:
        results = list(featurize(places, featurizer, cache))
    return [result.reused for result in results if isinstance(result, FeaturizedPhoto)]


@pytest.mark.parametrize("photos", [1, 3])
@pytest.mark.slow
def test_calibration_queries_are_reused_when_a_photo_is_added(
    make: Builder, tmp_path: Path, photos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes copies of an item's only photo, which have other photos behind them."""
    read: list[str] = []

    def counted(photo: BundlePhoto, addresses: AddressCache) -> Picture:
        read.append(photo.place)
        return read_picture(photo, addresses)

    read_picture = calibration_queries.read_picture
    monkeypatch.setattr(calibration_queries, "read_picture", counted)
    source = write_things(tmp_path / "photos", 24, photos, first=600)
    make(source, tmp_path / "out")
    assert set(read) == {str(path) for path in source.glob("*/*.png")}
    before = len(read)
    (source / "thing-new").mkdir()
    (source / "thing-new" / "0.png").write_bytes(png(draw_thing(699)))
    make(source, tmp_path / "out")
    assert len(read) <= before + 4  # the new one's, and who stands beside whom


@pytest.mark.parametrize(
    ("photos", "studio", "changed"),
    [(3, 0, 0), (3, 9, 0), (3, 10, 0), (3, 11, 33), (3, 20, 60), (2, 0, 40), (1, 0, 20)],
)
@pytest.mark.slow
def test_photos_are_queries_unchanged_except_studio_photos(
    make: Builder,
    tmp_path: Path,
    photos: int,
    studio: int,
    changed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Studio photos are those on a plain ground, if most of the 20 items' are.

    The others have the vectors of their records: no network looks at them again.
    """
    seeds: list[int] = []
    embedded: list[str] = []

    def embedding(key: str, *rest: Any) -> Vectors:
        embedded.append(key)
        return cached_raw(key, *rest)

    monkeypatch.setattr(calibration_queries, "cached_raw", embedding)

    def noted(image: Picture, seed: int, behind: Picture | None = None) -> Picture:
        seeds.append(seed)
        return augment(image, seed, behind)

    monkeypatch.setattr(calibration_queries, "augment", noted)
    source = write_things(tmp_path / "photos", 20, photos, first=900)
    for item in sorted(source.iterdir())[:studio]:
        for path in item.glob("*.png"):
            drawn = np.full((96, 96, 3), 255, np.uint8)
            drawn[16:80, 16:80] = np.asarray(cv2.imread(str(path)))
            path.write_bytes(png(drawn))
    make(source, tmp_path / "out")
    assert len(seeds) == changed
    assert len(embedded) == changed


def test_another_preprocessing_reuses_nothing(
    cache: Path, things: Path, tmp_path: Path, colour_grid: Featurizer, featurizer_folder: Path
) -> None:
    assert featurized(things, colour_grid, cache) == [True] * 24
    own = Path(shutil.copytree(featurizer_folder, tmp_path / "featurizer"))
    descriptor = own / "descriptor.json"
    descriptor.write_text(descriptor.read_text().replace('"rgb"', '"bgr"'))
    assert featurized(things, Featurizer.open(own), cache) == [False] * 24


@pytest.mark.slow
def test_the_same_photos_give_the_same_files(make: Builder, things: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(things, tmp_path / name)
    first, second = (read_manifest(tmp_path / name)[0].files for name in ("one", "two"))
    for name in ("vectors.npy", "colours.npy", "index.ann", "featurizer/network.onnx"):
        assert first[name] == second[name]


@pytest.mark.slow
def test_a_large_photo_is_found_by_a_small_one(make: Builder, tmp_path: Path) -> None:
    photos = write_things(tmp_path / "photos", 4, 1)
    (photos / "large").mkdir()
    (photos / "large" / "a.jpg").write_bytes(jpeg(draw_thing(50, side=3000)))
    make(photos, tmp_path / "out")
    bundle = Bundle.open(tmp_path / "out")
    match = bundle.search(bundle.featurizer.embed([draw_thing(50)])[0], 1)[0]
    assert match.sku == "large"
    assert match.similarity > 0.99


@pytest.mark.parametrize("kind", ["file", "folder", "empty folder", "dangling link"])
def test_an_out_that_is_no_bundle_is_refused_and_untouched(
    make: Builder, things: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("precious")
    elif kind == "dangling link":
        out.symlink_to(tmp_path / "absent")
    else:
        out.mkdir()
        if kind == "folder":
            (out / "thesis.txt").write_text("precious")
    before = names(tmp_path)
    with pytest.raises(BundleError, match="exists and is not a bundle; choose another --out"):
        make(things, out)
    assert names(tmp_path) == before
    if kind == "file":
        assert out.read_text() == "precious"
    if kind == "folder":
        assert (out / "thesis.txt").read_text() == "precious"


@pytest.mark.slow
def test_a_bundle_of_an_earlier_version_is_named_and_can_be_built_again(
    make: Builder, things: Path, own_bundle: Path
) -> None:
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    manifest["calibration"] = {"unknown_below": 0.7, "one_of_margin": 0.02}
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="build the bundle again"):
        Bundle.open(own_bundle)
    make(things, own_bundle)
    assert Bundle.open(own_bundle).manifest.items == 6


@pytest.mark.slow
def test_a_build_leaves_nothing_beside_its_bundle(
    make: Builder, things: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        make(things, tmp_path / "shelf" / "out")
        assert names(tmp_path / "shelf") == {"out"}


@pytest.mark.slow
def test_a_link_to_a_bundle_stays_one(
    make: Builder, things: Path, own_bundle: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(own_bundle.name)
    before = verify(own_bundle)[1]
    for _ in range(2):
        make(things, link)
        assert link.is_symlink()
    assert verify(own_bundle)[1] != before
    assert names(tmp_path) == {"link", "own.bundle", "cache"}


@pytest.mark.slow
def test_who_reads_the_old_bundle_while_it_is_replaced_goes_on(
    make: Builder, own_bundle: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(own_bundle)
    make(write_things(tmp_path / "photos", 2, 2, first=30), own_bundle)
    query = bundle.featurizer.embed([draw_thing(3)])[0]
    assert bundle.search(query, 1)[0].sku == "thing-03"
    item = bundle.item("thing-03")
    assert item is not None
    assert bundle.thumbnail(3) is not None


@pytest.mark.parametrize("damage", ["head", "middle", "empty", "cut"])
def test_a_damaged_feature_cache_is_put_aside(
    cache: Path, colour_grid: Featurizer, things: Path, damage: str
) -> None:
    file = cache / "features.db"
    data = bytearray(file.read_bytes())
    if damage == "head":
        data[:4000] = bytes(4000)
    elif damage == "middle":
        data[4096 : len(data) - 100] = np.random.default_rng(1).bytes(len(data) - 100 - 4096)
    file.write_bytes({"empty": b"", "cut": bytes(data[:9000])}.get(damage, bytes(data)))
    assert featurized(things, colour_grid, cache) == [False] * 24
    assert featurized(things, colour_grid, cache) == [True] * 24
    assert (cache / "features.damaged").exists() is (damage != "empty")


def test_a_cache_that_is_busy_is_not_put_aside(tmp_path: Path) -> None:
    FeatureCache(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "features.db")) as holder:
        cache = FeatureCache(tmp_path)
        cache._database.execute("pragma busy_timeout = 10")
        holder.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            cache.put([PhotoFeature("0" * 64, np.ones(3, np.float32), 1, 1, b"")], "network")
        holder.rollback()
        cache.put([PhotoFeature("0" * 64, np.ones(3, np.float32), 1, 1, b"")], "network")
        assert cache.get("0" * 64, "network") is not None
        cache.close()
    assert not (tmp_path / "features.damaged").exists()


def test_a_cache_that_a_stopped_build_has_closed_is_not_put_aside(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.close()
    with pytest.raises(sqlite3.ProgrammingError):  # in a worker that was still at a photo
        cache.get("0", "network")
    assert not (tmp_path / "features.damaged").exists()


@pytest.mark.slow
def test_thumbnails_do_not_gather_in_memory(
    many: Path, cache: Path, colour_grid: Featurizer, tmp_path: Path
) -> None:
    each = 200_000  # bytes
    with closing(FeatureCache(cache)) as kept:
        for photo in many.rglob("*.png"):
            sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
            vector = np.random.default_rng(int(sha256[:8], 16)).normal(size=48).astype(np.float32)
            picture = decode(photo.read_bytes(), photo.name)
            thumbnail = encode_jpeg(picture, 64) + bytes(each)  # decoders ignore what follows
            kept.put([PhotoFeature(sha256, vector, 64, 64, thumbnail)], colour_grid.network_id)
    tracemalloc.start()
    try:
        items = read_source(many).items
        whole = BuildOptions(keep_whole=True)  # cut, the photos would not be those of the cache
        report = build(items, tmp_path / "out", colour_grid, cache, "Test", whole)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.reused == report.photos == MANY_THINGS * MANY_PHOTOS
    assert most < each * report.photos
    assert (Bundle.open(tmp_path / "out").thumbnail(299) or b"").endswith(bytes(each))


def test_a_cache_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ShelfError, match="the build cache cannot be used"):
        FeatureCache(tmp_path / "file")


def finished(cache: Path) -> int:
    """Features of photos that the cache holds."""
    with closing(sqlite3.connect(f"file:{cache}/features.db?mode=ro", uri=True)) as database:
        sql = "select count(*) from features where key glob '[0-9a-f]*' and length(thumbnail) > 0"
        return int(database.execute(sql).fetchone()[0])


def wait_for(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Wait until something is so, or the process has ended."""
    end = time.monotonic() + 60
    while process.poll() is None and not reached():
        assert time.monotonic() < end
        time.sleep(0.001)


def start_build(
    surroundings: Surroundings, source: Path, out: Path, model: Path
) -> subprocess.Popen[str]:
    """Start a build in a process of its own."""
    return surroundings.start("catalog", "build", source, "--out", out, "--model", model)


def test_a_build_killed_at_any_moment_leaves_the_old_bundle_or_the_new_one(
    surroundings: Surroundings, own_bundle: Path, many: Path, featurizer_folder: Path
) -> None:
    work = own_bundle.with_name(f".{own_bundle.name}.building")
    cache = surroundings.cache
    held = finished(cache)
    chance = random.Random(20181130)
    moments: list[Callable[[], bool]] = [
        work.exists,
        lambda: finished(cache) >= held + 16,
        lambda: finished(cache) >= held + 100,
        lambda: finished(cache) >= held + 220,
        (work / "vectors.npy").exists,
        (work / "index.ann").exists,
        (work / "items.db").exists,
        (work / "manifest.json").exists,
    ]
    old = verify(own_bundle)[1]
    kills = 0
    for reached in moments:
        before = finished(cache)
        process = start_build(surroundings, many, own_bundle, featurizer_folder)
        wait_for(process, reached)
        time.sleep(chance.uniform(0, 0.01))  # not always at the very beginning of a step
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
        _, now = verify(own_bundle)
        assert now == old or read_manifest(own_bundle)[0].photos == MANY_THINGS * MANY_PHOTOS
        assert finished(cache) >= before
    assert kills >= 6
    done = surroundings.run(
        "catalog", "build", many, "--out", own_bundle, "--model", featurizer_folder, "--json"
    )
    assert done.returncode == 0
    assert f'"reused": {MANY_THINGS * MANY_PHOTOS}' in done.stdout
    assert verify(own_bundle)[0].photos == MANY_THINGS * MANY_PHOTOS
    assert not work.exists()


def test_a_killed_first_build_leaves_no_bundle_and_the_next_reuses_its_features(
    surroundings: Surroundings, many: Path, featurizer_folder: Path, tmp_path: Path
) -> None:
    out, held = tmp_path / "new.bundle", finished(surroundings.cache)
    process = start_build(surroundings, many, out, featurizer_folder)
    wait_for(process, lambda: finished(surroundings.cache) >= held + 48)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    kept = finished(surroundings.cache) - held
    done = surroundings.run("catalog", "build", many, "--out", out, "--model", featurizer_folder)
    assert f"({kept} reused)" in done.stdout
    verify(out)


def test_an_interrupted_build_stops_without_a_traceback_and_tidies_up(
    surroundings: Surroundings, own_bundle: Path, many: Path, featurizer_folder: Path
) -> None:
    old, held = verify(own_bundle)[1], finished(surroundings.cache)
    process = start_build(surroundings, many, own_bundle, featurizer_folder)
    wait_for(process, lambda: finished(surroundings.cache) >= held + 32)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.strip() == "stopped"
    assert verify(own_bundle)[1] == old
    assert not [name for name in names(own_bundle.parent) if name.startswith(".own")]
    assert finished(surroundings.cache) > held


def test_a_second_build_of_one_out_is_told_of_the_first(
    surroundings: Surroundings, own_bundle: Path, many: Path, featurizer_folder: Path
) -> None:
    work = own_bundle.with_name(f".{own_bundle.name}.building")
    first = start_build(surroundings, many, own_bundle, featurizer_folder)
    try:
        wait_for(first, work.exists)
        first.send_signal(signal.SIGSTOP)
        second = surroundings.run(
            "catalog", "build", many, "--out", own_bundle, "--model", featurizer_folder
        )
        assert second.returncode == 1
        assert "another build of it is running; wait for it" in second.stderr
    finally:
        with suppress(ProcessLookupError):
            first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert verify(own_bundle)[0].photos == MANY_THINGS * MANY_PHOTOS


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # zipfile's own
def test_without_room_the_old_bundle_stays_and_the_folder_is_named(
    make: Builder, things: Path, own_bundle: Path
) -> None:
    import resource

    old = verify(own_bundle)[1]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(ShelfError, match=r"\.own\.bundle\.building: cannot be written"):
            make(things, own_bundle)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert verify(own_bundle)[1] == old
    assert os.listdir(own_bundle.parent).count(own_bundle.name) == 1
