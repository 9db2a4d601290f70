"""The Python interface: open, identify, search, find, build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import visual_search
from catalog import catalogue as catalogue_module
from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.catalogue import PictureSource
from catalog.core.box import Box
from catalog.core.errors import BundleError, ContentError, PhotoError
from catalog.core.settings import CatalogSettings
from catalog.networks.finder import Findings
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, png
from visual_search import Answer, BuildOptions, Catalogue, Verdict, VisualSearchError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A new picture of the third thing."""
    path = tmp_path / "query.png"
    path.write_bytes(png(draw_thing(2, view=31)))
    return path


def test_three_lines_lead_to_an_answer(small_bundle: Path, photo: Path) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        answer = catalogue.identify(photo)
        assert answer.matches[0].item.sku == "thing-02"
    assert answer.verdict in (Verdict.MATCH, Verdict.ONE_OF, Verdict.UNKNOWN)
    assert answer.matches[0].confidence is not None
    confidences = [match.confidence or 0 for match in answer.matches]
    assert confidences == sorted(confidences, reverse=True)
    assert answer.named == answer.matches[: len(answer.named)]
    assert (answer.verdict is Verdict.UNKNOWN) == (len(answer.named) == 0)


def test_a_path_a_str_bytes_and_an_array_have_the_same_answer(
    small_bundle: Path, photo: Path
) -> None:
    image = cv2.imread(str(photo))
    assert image is not None
    with Catalogue.open(str(small_bundle)) as catalogue:
        answers = [
            catalogue.identify(picture)
            for picture in (photo, str(photo), photo.read_bytes(), np.asarray(image, np.uint8))
        ]
    assert all(answer == answers[0] for answer in answers)


def test_the_thing_in_a_picture_is_searched_and_its_place_told(
    small_bundle: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The found part of a picture gives the answer that it gives when it is a picture itself."""
    part = Box(40, 30, 60, 60)
    thing = draw_thing(3, view=5)
    picture = np.full((300, 400, 3), 90, np.uint8)
    picture[30:90, 40:100] = cv2.resize(thing, (60, 60))
    monkeypatch.setattr(catalogue_module, "find_things", lambda *_: Findings((part,), part))
    with Catalogue.open(small_bundle) as catalogue:
        monkeypatch.setattr(catalogue.bundle, "shows_things_alone", True)
        found = catalogue.identify(picture)
        cut = catalogue.identify(part.cut(picture), whole=True)
        whole = catalogue.identify(picture, whole=True)
        assert np.allclose(catalogue.embed(picture), catalogue.embed(part.cut(picture), whole=True))
        monkeypatch.setattr(catalogue.bundle, "shows_things_alone", False)
        assert catalogue.identify(picture) == whole, "its photos show things among others"
    assert (found.box, cut.box, whole.box) == (part, None, None)
    assert found.matches == cut.matches != whole.matches


def test_the_whole_picture_answers_where_a_wrong_part_was_found(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.asarray(cv2.resize(draw_thing(3, view=5), (200, 200)), np.uint8)
    wall = Box(0, 0, 12, 12)
    monkeypatch.setattr(catalogue_module, "find_things", lambda *_: Findings((wall,), wall))
    with Catalogue.open(small_bundle) as catalogue:
        monkeypatch.setattr(catalogue.bundle, "shows_things_alone", True)
        found, whole = catalogue.identify(picture), catalogue.identify(picture, whole=True)
    assert found.box is None
    assert found.matches == whole.matches
    assert found.matches[0].item.sku == "thing-03"


def test_the_command_says_the_same(
    small_bundle: Path, photo: Path, surroundings: Surroundings
) -> None:
    import json

    done = surroundings.run("catalog", "search", small_bundle, photo, "--limit", "6", "--json")
    (printed,) = json.loads(done.stdout)["answers"]
    with Catalogue.open(small_bundle) as catalogue:
        answer: Answer = catalogue.identify(photo, limit=6)
    assert printed["answer"] == answer.verdict
    assert printed["named"] == len(answer.named)
    for match, expected in zip(printed["matches"], answer.matches, strict=True):
        assert (match["sku"], match["title"]) == (expected.item.sku, expected.item.title)
        assert match["sure"] == pytest.approx(expected.confidence, abs=1e-6)


def test_search_finds_the_nearest_of_a_picture_and_of_its_embedding(
    small_bundle: Path, photo: Path
) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        vector = catalogue.embed(photo)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        matches = catalogue.search(vector, limit=3)
        assert matches == catalogue.search(photo, limit=3)
        assert len(matches) == 3
        assert matches[0].item.sku == "thing-02"
        assert matches[0].confidence is None
        similarities = [match.similarity for match in matches]
        assert similarities == sorted(similarities, reverse=True)
        exact = catalogue.search(vector, limit=3, exact=True)
        assert [match.item for match in exact] == [match.item for match in matches]


def test_items_photos_and_thumbnails(small_bundle: Path) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        assert len(catalogue) == 6
        assert catalogue.title == "Small"
        item = catalogue.item("thing-03")
        assert item is not None
        assert item in catalogue.find("thing-03")
        photos = catalogue.photos("thing-03")
        assert len(photos) == 4
        thumbnail = catalogue.thumbnail(photos[0].number)
        assert thumbnail is not None
        assert thumbnail.startswith(b"\xff\xd8")
        assert catalogue.item("nothing") is None
        assert catalogue.photos("nothing") == []
        assert catalogue.thumbnail(10_000) is None


def test_build_makes_a_bundle_and_tells_what_it_left_out(
    tmp_path: Path, featurizer_folder: Path, cache: Path
) -> None:
    photos = tmp_path / "photos"
    for number in range(4):
        (photos / f"item-{number}").mkdir(parents=True)
        for view in range(2):
            file = photos / f"item-{number}" / f"{view}.png"
            file.write_bytes(png(draw_thing(number, view=view)))
    (photos / "item-0" / "broken.jpg").write_bytes(b"no picture")
    skipped: list[str] = []
    stages: list[str] = []
    report = Catalogue.build(
        str(photos),
        str(tmp_path / "out.bundle"),
        model=str(featurizer_folder),
        settings=CatalogSettings(cache_dir=cache),
        progress=lambda stage, done, total: stages.append(stage),
        on_skip=lambda photo: skipped.append(Path(photo.name).name),
    )
    assert (report.items, report.photos) == (4, 8)
    assert skipped == ["broken.jpg"]
    assert {"photos", "learning", "index"} <= set(stages)
    with Catalogue.open(tmp_path / "out.bundle") as catalogue:
        assert catalogue.title == "photos"
        assert catalogue.id == report.bundle
    with pytest.raises(ContentError, match="strict"):
        Catalogue.build(
            photos,
            tmp_path / "other.bundle",
            model=str(featurizer_folder),
            options=BuildOptions(strict=True),
            settings=CatalogSettings(cache_dir=cache),
        )
    assert not (tmp_path / "other.bundle").exists()


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("absent.jpg", "absent.jpg: No such file"),
        (".", "Is a directory"),
        (b"no picture", "the picture"),
        (np.zeros((8, 8), np.uint8), r"BGR uint8 \(height, width, 3\), not uint8 \(8, 8\)"),
        (np.zeros((8, 8, 3), np.float32), "not float32"),
        (np.zeros((0, 0, 3), np.uint8), r"not uint8 \(0, 0, 3\)"),
    ],
)
def test_what_is_no_picture_is_refused(
    small_bundle: Path, picture: PictureSource, message: str
) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        with pytest.raises(ContentError, match=message):
            catalogue.identify(picture)
        assert issubclass(PhotoError, VisualSearchError)


def test_an_embedding_of_another_network_is_refused(small_bundle: Path) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        with pytest.raises(
            ContentError, match=r"48 finite floats and not zero, not float32 \(12,\)"
        ):
            catalogue.search(np.ones(12, np.float32))
        for wrong in (
            np.full(48, np.nan, np.float32),
            np.zeros(48, np.float32),
            np.ones(48, np.uint8),
            np.array(["a"] * 48),
        ):
            with pytest.raises(ContentError, match="finite"):
                catalogue.search(wrong)
        vector = catalogue.embed(draw_thing(1))
        assert catalogue.search(vector * 5)[0].similarity == pytest.approx(
            catalogue.search(vector)[0].similarity, abs=1e-6
        )


def test_confidence_is_corrected_to_a_share_of_foreign_things(
    small_bundle: Path, photo: Path, surroundings: Surroundings
) -> None:
    import json

    with Catalogue.open(small_bundle) as catalogue:
        stated = catalogue.bundle.manifest.calibration.foreign_share
        plain, same, few = (
            catalogue.identify(photo, foreign_share=share).matches[0]
            for share in (None, stated, 0.05)
        )
        with pytest.raises(ContentError, match="foreign_share 1: it must be above 0 and below 1"):
            catalogue.identify(photo, foreign_share=1)
    assert plain.confidence == pytest.approx(same.confidence)
    assert plain.confidence is not None
    assert few.confidence is not None
    assert few.item == plain.item
    assert few.confidence > plain.confidence
    command = ("catalog", "search", str(small_bundle), str(photo), "--json")
    answered = surroundings.run(*command, "--foreign-share", "0.05")
    printed = json.loads(answered.stdout)["answers"][0]["matches"][0]
    assert printed["sure"] == pytest.approx(few.confidence, abs=1e-6)
    refused = surroundings.run(*command, "--foreign-share", "0")
    assert refused.returncode == 2
    assert "0.01<=x<=0.9" in refused.stderr


def test_the_limit_shortens_the_list_and_changes_no_verdict(small_bundle: Path) -> None:
    with Catalogue.open(small_bundle) as catalogue:
        for number in range(6):
            picture = (draw_thing(number) // 2 + draw_thing((number + 1) % 6) // 2).astype(np.uint8)
            whole, first = catalogue.identify(picture), catalogue.identify(picture, limit=1)
            assert (first.verdict, first.named) == (whole.verdict, whole.named)
            assert first.matches == whole.matches[:1]
        with pytest.raises(ContentError, match="limit 0: at least 1"):
            catalogue.identify(draw_thing(1), limit=0)
        with pytest.raises(ContentError, match="limit -1"):
            catalogue.search(draw_thing(1), limit=-1)


def test_a_closed_catalogue_says_so(small_bundle: Path) -> None:
    catalogue = Catalogue.open(small_bundle)
    catalogue.close()
    for ask in (
        lambda: catalogue.identify(draw_thing(1)),
        lambda: catalogue.search(draw_thing(1)),
        lambda: catalogue.embed(draw_thing(1)),
        lambda: catalogue.find("thing"),
        lambda: catalogue.item("thing-01"),
        lambda: catalogue.photos("thing-01"),
        lambda: catalogue.thumbnail(0),
    ):
        with pytest.raises(BundleError, match="is closed"):
            ask()


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        Catalogue.open(tmp_path)


@pytest.mark.parametrize("how", ["close", "with", "forgotten"])
def test_a_closed_bundle_no_longer_keeps_the_shelf_from_removing_it(
    tmp_path: Path, small_bundle: Path, how: str
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    with shelf.changing():
        copy = Path(shutil.copytree(small_bundle, tmp_path / "copy"))
        shelf.place(copy, Bundle.open(small_bundle).id)
    (version,) = shelf.versions.iterdir()
    catalogue = Catalogue.open(version)
    with shelf.changing():
        shelf.prune()
    assert version.exists(), "it is open"
    if how == "close":
        catalogue.close()
        catalogue.close()
    elif how == "with":
        with catalogue:
            pass
    else:
        del catalogue
    with shelf.changing():
        shelf.prune()
    assert not version.exists()


def test_development_mode_has_nothing_to_warn_of(
    small_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    program = (
        "from visual_search import Catalogue\n"
        f"with Catalogue.open({str(small_bundle)!r}) as catalogue:\n"
        f"    print(catalogue.identify({str(photo)!r}).verdict)\n"
        f"catalogue = Catalogue.open({str(small_bundle)!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"HOME": str(tmp_path)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "ResourceWarning" not in done.stderr


def test_the_names_of_the_interface_are_stable() -> None:
    assert visual_search.__all__ == [
        "Answer",
        "BuildOptions",
        "BuildReport",
        "Catalogue",
        "Item",
        "ItemMatch",
        "Photo",
        "ReadOptions",
        "SkippedPhoto",
        "Verdict",
        "VisualSearchError",
    ]
    assert all(hasattr(visual_search, name) for name in visual_search.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Bundle'"):
        visual_search.Bundle  # noqa: B018


def test_the_command_starts_without_what_recognition_needs() -> None:
    program = (
        "import sys, visual_search.command; print('cv2' in sys.modules);"
        "import sync.cli.status; print({'cv2', 'numpy', 'rich', 'sync.outbox.events', 'tuf'}"
        " & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["False", "set()"], done.stderr
