"""Local features, the features that tell candidates apart, and the confidence of an answer."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.building.build import build
from catalog.building.distractors import photo_distractors
from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import read_manifest
from catalog.core.errors import BundleError
from catalog.core.photos import Picture
from catalog.core.vectors import Vectors, normalised
from catalog.evaluation.confusions import confused, report
from catalog.networks.featurizer import Featurizer
from catalog.recognition.calibrate import INLIERS, are_printed, calibrate
from catalog.recognition.calibration import Calibration
from catalog.recognition.candidates import (
    FEATURES,
    CandidateScorer,
    MatchFeatures,
    QueryDescriptors,
)
from catalog.recognition.colours import colours, similarity
from catalog.recognition.cross_fitting import PhotoVectors
from catalog.recognition.decision import REJECTION_THRESHOLD, Verdict, decide
from catalog.recognition.descriptors import Descriptors, extract_descriptors
from catalog.recognition.index import Exact
from catalog.recognition.joined import NO_FEATURES
from catalog.recognition.local_features import store
from catalog.recognition.local_features.extract import (
    PER_PHOTO,
    PER_QUERY,
    LocalFeatures,
    extract_local_features,
)
from catalog.recognition.local_features.geometric_verification import count_inliers
from catalog.recognition.local_features.store import FILES, LocalFeatureStore, LocalFeatureWriter
from catalog.recognition.rejection import FALSE_ACCEPT_RATE
from catalog.recognition.scored_queries import (
    HELD_OUT,
    IN_CATALOGUE,
    CalibrationQuery,
    ScoredQuery,
)
from catalog.recognition.wccn import apply as apply_wccn
from catalog.recognition.wccn import fit as fit_wccn
from catalog.sources.read import read_source
from tests.conftest import Fill, Surroundings, sign_again
from tests.support.drawing import draw_thing, png

LABELS = 8
GREY = extract_descriptors(
    np.full((32, 32, 3), 128, np.uint8), PER_QUERY
)  # nothing is printed on it


def label(number: int, side: int = 256) -> Picture:
    """A white label, BGR uint8 (side, side, 3), with its own pattern; all have one colour."""
    random = np.random.default_rng([number, 91])
    picture = np.full((side, side, 3), 245, np.uint8)
    for _ in range(26):
        a, b = (tuple(int(place) for place in random.integers(20, side - 20, 2)) for _ in range(2))
        if random.random() < 0.5:
            cv2.line(picture, a, b, (40, 40, 40), int(random.integers(2, 6)), cv2.LINE_AA)
        else:
            text = "".join(random.choice(list("ABEHKMRSX2578"), 4))
            cv2.putText(picture, text, a, 0, float(random.uniform(0.5, 1.1)), (40, 40, 40), 2)
    return picture


def moved(image: Picture, degrees: float, scale: float) -> Picture:
    """The picture turned and scaled about its middle."""
    side = len(image)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, scale)
    return np.asarray(cv2.warpAffine(image, turn, (side, side), borderValue=(245,) * 3), np.uint8)


@pytest.fixture(scope="session")
def labels(made_once: Callable[[str, Fill], Path]) -> Path:
    """Photos of labels that differ by their pattern alone, one of each."""

    def fill(folder: Path) -> None:
        for number in range(LABELS):
            (folder / f"label-{number}.png").write_bytes(png(label(number)))

    return made_once("labels", fill)


@pytest.fixture(scope="session")
def printed_build(
    made_once: Callable[[str, Fill], Path],
    labels: Path,
    colour_grid: Featurizer,
    filled_cache: Path,
) -> Path:
    """A folder with a bundle of the labels, and the cache that its build filled."""

    def fill(folder: Path) -> None:
        cache = Path(shutil.copytree(filled_cache, folder / "cache"))
        build(read_source(labels).items, folder / "bundle", colour_grid, cache, "Labels <&>")

    return made_once("printed", fill)


@pytest.fixture(scope="session")
def printed_bundle(printed_build: Path) -> Path:
    """A bundle of the labels."""
    return printed_build / "bundle"


def test_a_turned_and_smaller_label_has_inliers_and_another_has_few() -> None:
    photo = extract_local_features(label(1), PER_PHOTO)
    same = count_inliers(extract_local_features(moved(label(1), 25, 0.7), PER_QUERY), photo)
    other = count_inliers(extract_local_features(moved(label(2), 25, 0.7), PER_QUERY), photo)
    assert same > 30
    assert other < 10


def test_a_plain_picture_has_no_features_and_agrees_with_nothing() -> None:
    plain = extract_local_features(np.full((64, 64, 3), 200, np.uint8), PER_QUERY)
    assert len(plain) == 0
    assert count_inliers(plain, extract_local_features(label(1), PER_PHOTO)) == 0


def test_details_survive_the_cache() -> None:
    extracted = extract_descriptors(label(3), PER_PHOTO)
    restored = Descriptors.from_bytes(extracted.to_bytes(), with_local_features=True)
    assert np.array_equal(extracted.colours, restored.colours)
    assert extracted.local_features is not None
    assert restored.local_features is not None
    assert np.array_equal(extracted.local_features.codes, restored.local_features.codes)
    assert np.array_equal(extracted.local_features.places, restored.local_features.places)
    assert 0 < len(extracted.local_features) <= PER_PHOTO
    unread = Descriptors.from_bytes(
        extract_descriptors(label(3), 0).to_bytes(), with_local_features=False
    )
    assert np.array_equal(extracted.colours, unread.colours)
    assert unread.local_features is None


def test_colours_tell_varieties_apart_and_not_the_light() -> None:
    def round_thing(colour: tuple[int, int, int]) -> Picture:
        picture = np.full((120, 160, 3), 200, np.uint8)
        cv2.circle(picture, (80, 60), 40, colour, -1)
        return picture

    red, green = round_thing((40, 40, 210)), round_thing((60, 200, 90))
    warm = np.clip(red * np.array([0.7, 0.95, 1.15]) * 0.8, 0, 255).astype(np.uint8)
    smaller = np.asarray(cv2.resize(red, (40, 30), interpolation=cv2.INTER_AREA), np.uint8)
    stored = np.stack([colours(red), colours(green)])
    for look in (red, warm, smaller):
        same, other = similarity(stored, colours(look))
        assert same > 0.6 > 0.1 > other
    black = colours(np.zeros((8, 8, 3), np.uint8))
    assert similarity(black[None], black) == pytest.approx(1, abs=0.01)


def written(descriptions: list[LocalFeatures], folder: Path) -> int:
    writer = LocalFeatureWriter(folder)
    for features in descriptions:
        writer.add(features)
    return writer.finish()


def test_the_right_photo_gets_the_most_votes_unless_it_is_left_out(tmp_path: Path) -> None:
    written(
        [extract_local_features(label(number), PER_PHOTO) for number in range(LABELS)], tmp_path
    )
    printed = LocalFeatureStore(tmp_path, LABELS)
    owners = np.arange(LABELS)
    for number in range(LABELS):
        look = extract_local_features(moved(label(number), 12, 0.8), PER_QUERY)
        items, photos = printed.votes(look, owners)
        assert items.argmax() == photos.argmax() == number
        assert printed.votes(look, owners, owners == number)[0][number] == 0


def test_a_full_disk_is_an_error_and_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mapped memory without room on the disk ends in a signal, so the room is taken first."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        written([extract_local_features(label(0), PER_PHOTO)], tmp_path)


def test_each_photo_gets_its_own_features_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptions = [extract_local_features(label(number), PER_PHOTO) for number in range(3)]
    descriptions.insert(1, extract_local_features(np.full((64, 64, 3), 200, np.uint8), PER_PHOTO))
    monkeypatch.setattr(store, "AT_ONCE", 100)
    assert written(descriptions, tmp_path) == sum(len(features) for features in descriptions)
    assert {f"printed/{path.name}" for path in (tmp_path / "printed").iterdir()} == set(FILES)
    printed = LocalFeatureStore(tmp_path, 4)
    printed.check()
    for number, features in enumerate(descriptions):
        assert np.array_equal(printed.local_features(number).codes, features.codes)
        assert np.array_equal(printed.local_features(number).places, features.places)


def test_what_differs_within_items_counts_less_after_wccn() -> None:
    random = np.random.default_rng(4)
    owners = np.repeat(np.arange(12), 4)
    vectors = random.normal(0, 1, (12, 8))[owners] + random.normal(0, 0.05, (48, 8))
    vectors[:, 0] += random.normal(0, 3, 48)  # light, say: the same for no two photos
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    metric = fit_wccn(vectors, owners)
    assert metric is not None

    def right(stored: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
        alike = stored @ stored.T
        np.fill_diagonal(alike, -2)
        return float((owners[alike.argmax(1)] == owners).mean())

    assert right(vectors) < 0.9
    assert right(apply_wccn(metric, vectors)) == 1
    assert fit_wccn(vectors[:12], np.arange(12)) is None, "no item has two photos"


@pytest.mark.parametrize(
    ("sure", "expected"),
    [
        ([0.9, 0.05], (Verdict.MATCH, 1)),
        ([0.5, 0.4, 0.02], (Verdict.ONE_OF, 2)),
        ([0.3, 0.25, 0.23], (Verdict.ONE_OF, 3)),
        ([0.3, 0.1], (Verdict.PERHAPS, 2)),
        ([0.3, 0.1, 0.009], (Verdict.PERHAPS, 2)),
        ([0.15, 0.1, 0.04], (Verdict.UNKNOWN, 0)),
        ([], (Verdict.UNKNOWN, 0)),
    ],
)
def test_what_is_said_follows_from_how_sure(
    sure: list[float], expected: tuple[Verdict, int]
) -> None:
    assert decide(sure, 0.6) == expected


def test_things_that_differ_by_their_label_alone_are_told_apart(printed_bundle: Path) -> None:
    bundle = Bundle.open(printed_bundle)
    assert bundle.manifest.local_features is not None
    by_vector = right = 0
    for number in range(LABELS):
        look = moved(label(number), 160, 0.8)
        vector = bundle.featurizer.embed([look])[0]
        by_vector += bundle.search(vector, 1)[0].sku == f"label-{number}"
        found = bundle.identify(vector, bundle.describe(look))
        right += found[0].sku == f"label-{number}"
        assert sum(match.confidence or 0 for match in found) <= 1 + 1e-9
    assert right == LABELS
    assert by_vector < LABELS


def test_things_without_labels_are_stored_without_local_features(small_bundle: Path) -> None:
    manifest, _ = read_manifest(small_bundle)
    assert manifest.local_features is None
    assert not set(FILES) & manifest.files.keys()
    assert Bundle.open(small_bundle).describe(draw_thing(1)).local_features is None


def test_a_calibration_says_what_to_expect_and_names_few_drawn_things(
    small_bundle: Path, printed_bundle: Path
) -> None:
    for path in (small_bundle, printed_bundle):
        calibration: Calibration = read_manifest(path)[0].calibration
        assert (
            calibration.expected_distractors.wrong + calibration.expected_distractors.one_of
            <= FALSE_ACCEPT_RATE
        )
        for shares in (
            calibration.expected_in_catalogue,
            calibration.expected_held_out,
            calibration.expected_distractors,
        ):
            assert shares is not None
            assert sum(shares.model_dump().values()) == pytest.approx(1, abs=1e-3)


def test_colours_tell_candidates_apart_where_most_items_have_several_photos(
    small_bundle: Path, printed_bundle: Path
) -> None:
    several, alone = (
        read_manifest(path)[0].calibration.entry.candidate.colour
        for path in (small_bundle, printed_bundle)
    )
    assert several > 0
    assert alone == 0


@pytest.mark.slow
def test_a_rebuild_of_printed_things_gives_the_same_files(
    labels: Path, printed_build: Path, colour_grid: Featurizer, tmp_path: Path
) -> None:
    cache = Path(shutil.copytree(printed_build / "cache", tmp_path / "cache"))
    again = build(read_source(labels).items, tmp_path / "again", colour_grid, cache, "Again")
    assert again.reused == LABELS
    first = printed_build / "bundle"
    manifests = [read_manifest(path)[0] for path in (first, tmp_path / "again")]
    assert manifests[0].calibration == manifests[1].calibration
    for name in FILES:
        assert filecmp.cmp(first / name, tmp_path / "again" / name, shallow=False)


def test_the_same_query_has_the_same_answer(printed_bundle: Path) -> None:
    bundle = Bundle.open(printed_bundle)
    seen = bundle.describe(label(2))
    vector = bundle.featurizer.embed([label(2)])[0]
    assert bundle.identify(vector, seen) == bundle.identify(vector, seen)


@pytest.mark.parametrize("name", ["photos", "rows", "words", "begins"])
@pytest.mark.slow
def test_local_features_that_name_what_does_not_exist_are_refused(
    printed_bundle: Path, tmp_path: Path, name: str
) -> None:
    bundle = Path(shutil.copytree(printed_bundle, tmp_path / "own.bundle"))
    validator.validate(bundle)
    file = bundle / "printed" / f"{name}.npy"
    array = np.load(file)
    array[len(array) // 2] = 10_000_000
    np.save(file, array)
    sign_again(bundle)
    with pytest.raises(BundleError, match="name what does not exist"):
        validator.validate(bundle)


@pytest.mark.parametrize("damage", ["empty", "half", "archive", "other numbers", "enormous"])
@pytest.mark.parametrize(
    "name", ["printed/codes.npy", "printed/rows.npy", "colours.npy", "vectors.npy"]
)
def test_a_damaged_array_is_a_damaged_bundle(
    printed_bundle: Path, tmp_path: Path, name: str, damage: str
) -> None:
    bundle = Path(shutil.copytree(printed_bundle, tmp_path / "own.bundle"))
    file = bundle / name
    content, array = file.read_bytes(), np.load(file)
    if damage in ("empty", "half"):
        file.write_bytes(content[: len(content) // 2 * (damage == "half")])
    elif damage == "archive":
        with file.open("wb") as archive:
            np.savez(archive, array)
    elif damage == "other numbers":
        np.save(file, array.astype(np.float64))
    else:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**7)}
        with file.open("wb") as large:
            np.lib.format.write_array_header_1_0(large, header)
    sign_again(bundle)
    with pytest.raises(BundleError, match=r"not an array|does not fit"):
        Bundle.open(bundle)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.slow
def test_items_that_are_alike_are_named_with_their_pictures(
    colour_grid: Featurizer, filled_cache: Path, tmp_path: Path, views: int
) -> None:
    photos = tmp_path / "photos"
    for number, thing in enumerate((1, 1, 2, 3, 4)):  # the first two are the same thing
        (photos / f"item-{number}").mkdir(parents=True)
        for view in range(views):
            picture = draw_thing(thing, view=10 * number * (views > 1) + view)
            (photos / f"item-{number}" / f"{view}.png").write_bytes(png(picture))
    (photos / "item-0" / "item.json").write_text('{"title": "One <of> two"}')
    build(read_source(photos).items, tmp_path / "out", colour_grid, filled_cache, "Alike")
    bundle = Bundle.open(tmp_path / "out")
    pairs = confused(bundle)
    assert {pairs[0].sku, pairs[0].other} == {"item-0", "item-1"}
    assert [pair.likely for pair in pairs] == sorted((pair.likely for pair in pairs), reverse=True)
    page = report(bundle, pairs)
    assert page.count("data:image/jpeg;base64,") == sum(
        len(bundle.photos(sku)) for pair in pairs for sku in (pair.sku, pair.other)
    )
    assert "One &lt;of&gt; two" in page
    assert "http" not in page


def test_the_commands_say_how_sure_they_are(
    surroundings: Surroundings, printed_bundle: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "look.png"
    photo.write_bytes(png(moved(label(5), 5, 0.9)))
    printed = surroundings.run("catalog", "search", printed_bundle, photo).stdout
    assert "label-5" in printed
    assert "%" in printed
    plain = surroundings.run("catalog", "search", printed_bundle, photo, "--vectors-only").stdout
    assert "%" not in plain
    inspected = surroundings.run("catalog", "inspect", printed_bundle).stdout
    assert "local features" in inspected
    assert "of 100 own" in inspected
    out = tmp_path / "confusions.html"
    done = surroundings.run("catalog", "confusions", printed_bundle, "--out", out)
    assert done.returncode == 0
    assert "Labels &lt;&amp;&gt;" in out.read_text()


def test_photos_of_other_things_are_shipped_as_the_embedded_networks_vectors_and_colours(
    colour_grid: Featurizer,
) -> None:
    featurizer = Featurizer.open()
    shown = photo_distractors(featurizer)
    assert len(shown) >= 150
    vectors = np.stack([query.vector for query in shown])
    assert vectors.shape[1] == featurizer.dimensions
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    for query in shown:
        histogram = query.descriptors.colours
        assert similarity(histogram[None], histogram) == pytest.approx(1, abs=0.02)
        assert query.descriptors.local_features is None
    assert photo_distractors(colour_grid) == []


def test_each_group_of_shipped_things_is_bounded_by_itself() -> None:
    """Many distractors that resemble nothing do not raise the limit for those that do."""
    random = np.random.default_rng(6)

    def shown(vectors: NDArray[np.float64], *, photos: bool = False) -> list[CalibrationQuery]:
        rows = normalised(vectors.astype(np.float32))
        return [CalibrationQuery(row, GREY, at if photos else None) for at, row in enumerate(rows)]

    items = random.normal(0, 1, (60, 16))
    known = shown(items + random.normal(0, 0.3, items.shape), photos=True)
    near = shown(np.repeat(items[:20], 5, 0) + random.normal(0, 0.7, (100, 16)))
    far = shown(np.full((300, 16), 1.0) + random.normal(0, 0.01, (300, 16)))
    stored = normalised(items.astype(np.float32)).astype(np.float16)
    all_grey = np.tile(GREY.colours, (60, 1))
    learned = calibrate(
        PhotoVectors(stored, np.arange(60), all_grey, None),
        known,
        [near, far],
        false_accept_rate=0.05,
    )
    named = 1 - learned.calibration.expected_distractors.unknown
    assert 0 < named <= 5 / 400 + 1e-4


@pytest.mark.slow
def test_who_wants_more_named_has_also_what_is_likelier_none() -> None:
    random = np.random.default_rng(7)
    items = random.normal(0, 1, (60, 16))

    def rows(vectors: NDArray[np.float64]) -> Vectors:
        return normalised(vectors.astype(np.float32))

    stored = rows(np.repeat(items, 3, 0) + random.normal(0, 0.6, (180, 16)))
    looks = rows(np.repeat(items, 3, 0) + random.normal(0, 0.6, (180, 16)))
    foreign = [CalibrationQuery(vector, GREY) for vector in rows(random.normal(0, 1, (120, 16)))]
    begins = [
        calibrate(
            PhotoVectors(
                stored.astype(np.float16),
                np.repeat(np.arange(60), 3),
                np.tile(GREY.colours, (180, 1)),
                None,
            ),
            [CalibrationQuery(look, GREY, photo) for photo, look in enumerate(looks)],
            [foreign],
            false_accept_rate=share,
        ).calibration.rejection_threshold
        for share in (0.01, 0.2)
    ]
    assert begins[1] < begins[0]
    assert begins[0] >= REJECTION_THRESHOLD


@pytest.mark.parametrize(("inliers", "feature"), [(0, 0.0), (8, 0.3466), (16, 0.8047), (40, 1.629)])
def test_the_inliers_are_told_beside_those_that_chance_gives(
    tmp_path: Path, inliers: int, feature: float
) -> None:
    class Counted(QueryDescriptors):
        def inliers(self, store: LocalFeatureStore, photo: int) -> int:
            return inliers

    photos = [extract_descriptors(label(number), PER_PHOTO) for number in range(3)]
    written([photo.local_features or NO_FEATURES for photo in photos], tmp_path)
    vectors = np.eye(3, dtype=np.float16)
    scorer = CandidateScorer(
        vectors,
        Exact(vectors),
        np.arange(3),
        np.stack([photo.colours for photo in photos]),
        LocalFeatureStore(tmp_path, 3),
    )
    found = scorer.score(vectors[1].astype(np.float32), Counted(photos[1])).values[:, INLIERS]
    assert np.allclose(found, feature, atol=1e-3)


@pytest.mark.parametrize(
    ("recognised", "missed", "absent", "expected"),
    [(1, 49, 0, True), (1, 50, 0, False), (0, 9, 1, False), (1, 0, 49, True), (1, 0, 50, False)],
)
def test_local_features_are_kept_where_they_recognise_two_photos_in_a_hundred(
    recognised: int, missed: int, absent: int, expected: bool
) -> None:
    def query(kind: str, inliers: float, item: int) -> ScoredQuery:
        values = np.zeros((1, len(FEATURES)))
        values[:, INLIERS] = inliers
        one = np.zeros(1, np.int64)
        return ScoredQuery(kind, MatchFeatures(one, one, one.astype(np.float32), values), item)

    queries = [query(IN_CATALOGUE, 0.8, 0) for _ in range(recognised)]
    queries += [query(IN_CATALOGUE, 0.79, 0) for _ in range(missed)]
    queries += [query(IN_CATALOGUE, 5.0, 1) for _ in range(absent)]  # another item is there
    queries += [query(HELD_OUT, 5.0, 0) for _ in range(9)]
    assert are_printed(queries) is expected
