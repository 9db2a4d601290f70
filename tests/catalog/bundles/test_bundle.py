"""The bundle's format: what is refused before anything reads it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from catalog.bundles import contents
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import (
    INDEX,
    LARGEST_MANIFEST,
    LOCAL,
    MANIFEST,
    FileEntry,
    file_digest,
    is_bundle,
    local_files,
    read_manifest,
    verify,
    write_local_index,
)
from catalog.bundles.validator import validate
from catalog.core.errors import BundleError
from catalog.core.photos import encode_jpeg
from tests.conftest import PHOTOS, THINGS, sign_again
from tests.support.drawing import draw_thing
from tests.support.open_files import open_in

HELD = (
    "vectors.npy",
    "colours.npy",
    "index.ann",
    "items.db",
    "pictures.db",
    "probes.npz",
    "featurizer/descriptor.json",
    "featurizer/network.onnx",
)


def change(bundle: Path, **fields: Any) -> None:
    """Change fields of the manifest."""
    file = bundle / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_bytes()) | fields))


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Names below a folder with their sizes and times."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def test_a_bundle_of_an_earlier_version_has_no_words_and_opens(own_bundle: Path) -> None:
    """It is searched by the beginnings of words."""
    (own_bundle / "words.db").unlink()
    sign_again(own_bundle)
    validate(own_bundle)
    with Bundle.open(own_bundle) as bundle:
        assert bundle.find("05 thi")[0].sku == "thing-05"
        assert bundle.find("hing") == []


def test_broken_words_are_refused(own_bundle: Path) -> None:
    (own_bundle / "words.db").write_bytes((own_bundle / "pictures.db").read_bytes())
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"words\.db: cannot be searched"):
        validate(own_bundle)


def test_a_bundle_holds_what_was_built(small_bundle: Path) -> None:
    manifest, identity = verify(small_bundle)
    assert (manifest.items, manifest.photos) == (THINGS, THINGS * PHOTOS)
    assert set(manifest.files) == {*HELD, "metric.npy", "words.db"}
    bundle = Bundle.open(small_bundle)
    assert bundle.id == identity
    assert bundle.vectors().shape == (THINGS * PHOTOS, 48)
    assert bundle.vectors().dtype == np.float16
    item = bundle.item("thing-03")
    assert item is not None
    assert item.title == "thing 03"
    assert [photo.source for photo in bundle.photos("thing-03")] == [
        f"{number}.png" for number in range(PHOTOS)
    ]
    assert bundle.find("thing 05")[0].sku == "thing-05"
    assert bundle.find("hing 05")[0].sku == "thing-05"
    thumbnail = bundle.thumbnail(0)
    assert thumbnail is not None
    assert thumbnail.startswith(b"\xff\xd8")


def test_the_row_of_a_vector_is_its_photos_number(small_bundle: Path) -> None:
    bundle = Bundle.open(small_bundle)
    for sku, view in (("thing-00", 0), ("thing-04", 3)):
        vector = bundle.featurizer.embed([draw_thing(int(sku[-2:]), view)])[0]
        row = bundle.photos(sku)[view].number
        assert bundle.vectors()[row].astype(np.float32) @ vector == pytest.approx(1, abs=1e-3)


def test_the_id_is_the_time_and_the_digest_of_the_manifest(small_bundle: Path) -> None:
    manifest, identity = read_manifest(small_bundle)
    digest = hashlib.sha256((small_bundle / MANIFEST).read_bytes()).hexdigest()
    assert identity == f"{manifest.created}-{digest[:12]}"
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{12}", identity)


def test_opening_and_searching_write_nothing(own_bundle: Path) -> None:
    before = state(own_bundle)
    bundle = Bundle.open(own_bundle)
    bundle.search(bundle.featurizer.embed([draw_thing(1)])[0])
    bundle.find("thing")
    bundle.items.close()
    assert state(own_bundle) == before


def test_read_only_files_are_enough(own_bundle: Path) -> None:
    for path in [*own_bundle.rglob("*"), own_bundle]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        bundle = Bundle.open(own_bundle)
        assert bundle.search(bundle.featurizer.embed([draw_thing(1)])[0])[0].sku == "thing-01"
    finally:
        for path in [own_bundle, *own_bundle.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("name", HELD)
def test_a_flipped_bit_is_refused_by_the_files_name(own_bundle: Path, name: str) -> None:
    file = own_bundle / name
    data = bytearray(file.read_bytes())
    for place in np.random.default_rng(2).integers(0, len(data), 10):
        data[place] ^= 4
        file.write_bytes(data)
        with pytest.raises(BundleError, match=rf"{name} is damaged; build or copy"):
            Bundle.open(own_bundle)
        data[place] ^= 4
    file.write_bytes(data)
    verify(own_bundle)


@pytest.mark.parametrize("name", HELD)
def test_a_file_cut_short_or_grown_is_refused(own_bundle: Path, name: str) -> None:
    file = own_bundle / name
    data = file.read_bytes()
    for changed in (b"", data[:-1], data[: len(data) // 2], data + b"\0"):
        file.write_bytes(changed)
        with pytest.raises(BundleError, match=f"{name} is damaged"):
            Bundle.open(own_bundle)


@pytest.mark.parametrize("name", HELD)
def test_a_missing_file_is_refused(own_bundle: Path, name: str) -> None:
    (own_bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize("name", HELD)
def test_a_link_or_a_folder_in_a_files_place_is_refused(own_bundle: Path, name: str) -> None:
    file = own_bundle / name
    file.rename(own_bundle.parent / "elsewhere")
    file.symlink_to(own_bundle.parent / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.open(own_bundle)
    file.unlink()
    file.mkdir()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize("name", HELD[:-1])
def test_a_manifest_that_lists_a_file_not_is_refused(own_bundle: Path, name: str) -> None:
    files = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    del files[name]
    change(own_bundle, files=files)
    with pytest.raises(BundleError, match=f"the manifest lists no {name}"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize(
    "name",
    ["../secret", "featurizer/../../secret", "/etc/hostname", "./items.db", "a//b", "", "a\0"],
)
def test_a_name_that_leads_elsewhere_is_refused(own_bundle: Path, name: str) -> None:
    (own_bundle.parent / "secret").write_text("secret")
    file = own_bundle / name.replace("\0", "")
    files = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    size, digest = (file.stat().st_size, file_digest(file)) if file.is_file() else (0, "")
    change(own_bundle, files=files | {name: {"bytes": size, "sha256": digest}})
    with pytest.raises(BundleError):
        verify(own_bundle)


def test_one_content_of_two_sizes_is_refused(own_bundle: Path) -> None:
    files = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    twice = files["items.db"] | {"bytes": files["items.db"]["bytes"] + 1}
    change(own_bundle, files=files | {"copy.db": twice})
    with pytest.raises(BundleError, match="gives two sizes"):
        verify(own_bundle)


@pytest.mark.parametrize(
    "name", ["manifest.json", "items.db/a", "x" * 256, "a\nb", "\ud800", "a/."]
)
def test_a_name_that_no_disk_should_see_is_refused(own_bundle: Path, name: str) -> None:
    files = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    change(own_bundle, files=files | {name: files["items.db"]})
    with pytest.raises(BundleError, match="is no name for a file of a bundle"):
        read_manifest(own_bundle)


@pytest.mark.parametrize("entry", [{"bytes": -1}, {"sha256": "../../x"}, {"sha256": "A" * 64}])
def test_sizes_and_digests_are_what_they_are(own_bundle: Path, entry: dict[str, object]) -> None:
    files = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    change(own_bundle, files=files | {"items.db": files["items.db"] | entry})
    with pytest.raises(BundleError, match=r"files\.items\.db"):
        read_manifest(own_bundle)


def test_a_manifest_with_a_flipped_bit_is_refused_or_another_bundles(own_bundle: Path) -> None:
    file = own_bundle / MANIFEST
    data = bytearray(file.read_bytes())
    _, right = verify(own_bundle)
    accepted = 0
    for place in np.random.default_rng(2).integers(0, len(data), 200):
        data[place] ^= 1
        file.write_bytes(data)
        with suppress(BundleError):
            assert verify(own_bundle)[1] != right
            accepted += 1
        data[place] ^= 1
    assert 0 < accepted < 200
    file.write_bytes(data)
    assert verify(own_bundle)[1] == right


@pytest.mark.parametrize("known", [0, 3, "1", None, []])
def test_an_unknown_format_is_refused_with_what_to_do(own_bundle: Path, known: object) -> None:
    change(own_bundle, format=known)
    with pytest.raises(BundleError, match=r"manifest\.json: format .* is not known; update"):
        Bundle.open(own_bundle)


@pytest.mark.parametrize(
    "created",
    [
        "../../../../tmp/x",
        "20261122T090000Z/..",
        "",
        "20261122T090000Z\n",
        "\u0662026112\u0662T090000Z",
    ],
)
def test_a_time_that_could_name_another_folder_is_refused(own_bundle: Path, created: str) -> None:
    change(own_bundle, created=created)
    with pytest.raises(BundleError, match="not a bundle's manifest"):
        read_manifest(own_bundle)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 500_000], ids=lambda data: data[:4]
)
def test_a_manifest_that_is_none_is_refused(own_bundle: Path, content: bytes) -> None:
    (own_bundle / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json: "):
        Bundle.open(own_bundle)


def test_a_field_too_many_or_too_few_is_refused(own_bundle: Path) -> None:
    manifest = json.loads((own_bundle / MANIFEST).read_bytes())
    for fields in (manifest | {"extra": 1}, {k: v for k, v in manifest.items() if k != "photos"}):
        (own_bundle / MANIFEST).write_text(json.dumps(fields))
        with pytest.raises(BundleError, match="not a bundle's manifest"):
            Bundle.open(own_bundle)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("items",), -1),
        (("photos",), 10**12),
        (("photos",), 10**400),
        (("featurizer", "dimensions"), 0),
        (("featurizer", "size"), 10**9),
        (("index", "n_trees"), 10**9),
        (("index", "search_k"), -1),
        (("index", "seed"), 1 << 64),
        (("index", "recall"), float("nan")),
        (("index", "recall"), 1.5),
        (("files", "items.db", "bytes"), 1 << 62),
        (("calibration", "model", "bias"), float("inf")),
    ],
    ids=str,
)
def test_a_number_out_of_bounds_is_refused(
    own_bundle: Path, place: tuple[str, ...], value: float
) -> None:
    manifest = json.loads((own_bundle / MANIFEST).read_bytes())
    inner = manifest
    for key in place[:-1]:
        inner = inner[key]
    assert place[-1] in inner
    inner[place[-1]] = value
    (own_bundle / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="not a bundle's manifest"):
        read_manifest(own_bundle)


def test_a_huge_manifest_is_refused_unread(own_bundle: Path) -> None:
    with (own_bundle / MANIFEST).open("ab") as file:
        file.truncate(LARGEST_MANIFEST + 1)
    with pytest.raises(BundleError, match="too large for a manifest"):
        Bundle.open(own_bundle)


def test_a_manifest_of_the_largest_size_is_read(own_bundle: Path) -> None:
    file = own_bundle / MANIFEST
    file.write_bytes(file.read_bytes().ljust(LARGEST_MANIFEST))
    assert read_manifest(own_bundle)[0].title == "Small"


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (b'{"format": 99, "featurizer": {}, "files": {}}', True),
        (b'{"format": 99, "featurizer": {}}', False),
        (b'["format", "featurizer", "files"]', False),
        (b"no JSON", False),
        (None, False),
    ],
)
def test_a_bundle_of_another_version_is_one(
    tmp_path: Path, content: bytes | None, is_one: bool
) -> None:
    """A build may replace it."""
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    assert is_bundle(tmp_path) is is_one


def test_an_index_that_was_built_here_takes_the_others_place(own_bundle: Path) -> None:
    assert local_files(own_bundle) == {}
    index = own_bundle / INDEX
    index.write_bytes(b"other bytes")
    made = FileEntry(bytes=11, sha256=file_digest(index))
    write_local_index(own_bundle, made)
    assert local_files(own_bundle) == {INDEX: made}
    assert verify(own_bundle) == read_manifest(own_bundle)
    (own_bundle / LOCAL).write_text("{}")
    with pytest.raises(BundleError, match=r"local\.json: cannot be read"):
        verify(own_bundle)


def test_local_features_without_their_files_are_refused(own_bundle: Path) -> None:
    change(own_bundle, printed={"features": 3})
    with pytest.raises(BundleError, match=r"the manifest lists no printed/codes\.npy"):
        verify(own_bundle)


def test_a_file_that_the_system_cannot_name_is_refused(own_bundle: Path) -> None:
    entries = json.loads((own_bundle / MANIFEST).read_bytes())["files"]
    change(own_bundle, files=entries | {"/".join(["long" * 50] * 30): entries["items.db"]})
    with pytest.raises(BundleError, match=r"own\.bundle: cannot be read: "):
        verify(own_bundle)


def test_a_folder_that_is_no_bundle_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle .*visual-search catalog build"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    ("field", "message"),
    [("photos", r"vectors are float16 \(24, 48\)"), ("items", "does not hold what the manifest")],
)
def test_counts_that_differ_from_the_files_are_refused(
    own_bundle: Path, field: str, message: str
) -> None:
    change(own_bundle, **{field: 23})
    with pytest.raises(BundleError, match=message):
        Bundle.open(own_bundle)


def test_an_index_of_fewer_vectors_is_refused(own_bundle: Path) -> None:
    from catalog.recognition.index import build_annoy

    vectors = np.load(own_bundle / "vectors.npy")
    build_annoy(vectors[:5], own_bundle / "index.ann", 20)
    sign_again(own_bundle)
    with pytest.raises(BundleError, match=r"index\.ann holds 5 vectors, not 24"):
        Bundle.open(own_bundle)


def test_another_network_than_the_vectors_were_made_with_is_refused(own_bundle: Path) -> None:
    file = own_bundle / "featurizer" / "descriptor.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"channels": "bgr"}))
    sign_again(own_bundle)
    with pytest.raises(BundleError, match="the vectors were made with"):
        Bundle.open(own_bundle)


def test_a_bundle_may_be_moved_and_copied(own_bundle: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(own_bundle, tmp_path / "a b#c?d%41"))
    os.rename(own_bundle, tmp_path / "gone")
    bundle = Bundle.open(moved)
    assert bundle.search(bundle.featurizer.embed([draw_thing(1)])[0])[0].sku == "thing-01"


def test_what_most_photos_show_tells_whether_things_are_alone(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wall of noise has surroundings; a disc on a plain ground is alone."""
    alone = np.full((200, 200, 3), 240, np.uint8)
    cv2.circle(alone, (100, 100), 60, (40, 90, 160), -1)
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    photos = [encode_jpeg(picture, 200) for picture in (alone, noise)]
    for first, expected in ((0, True), (1, False)):
        with Bundle.open(small_bundle) as bundle:
            own = {0: photos[1 - first]}  # one photo of the other kind changes nothing
            monkeypatch.setattr(
                bundle.items,
                "thumbnail",
                lambda number, own=own, usual=photos[first]: own.get(number, usual),
            )
            assert bundle.shows_things_alone is expected


def test_what_is_closed_or_refused_has_no_file_open(own_bundle: Path) -> None:
    with Bundle.open(own_bundle):
        assert open_in(own_bundle)
    assert open_in(own_bundle) == []
    with (own_bundle / MANIFEST).open("rb") as manifest:
        fcntl.flock(manifest, fcntl.LOCK_EX)
        with pytest.raises(BundleError, match="is being removed from the shelf") as caught:
            Bundle.open(own_bundle, verified=True)
        assert open_in(own_bundle) == [MANIFEST], caught
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be opened"):
        contents._lock(own_bundle / "absent" / MANIFEST)
