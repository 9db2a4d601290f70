"""What the owner's machine finds of a former release, on records and tables of a few bytes."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from catalog.bundles.manifest import INDEX, FileEntry, Manifest, parse_manifest
from catalog.bundles.records import KINDS, Kind, key
from catalog.core.errors import BundleError
from sync.errors import ForgedError
from sync.trust import changes_maker
from sync.trust.changes import (
    MOST_PACKS,
    NO_PACK,
    Changes,
    Patch,
    RecordTable,
    compress,
    parse_changes,
)
from sync.trust.changes_maker import MadeChanges, make_changes
from sync.trust.former_release import FormerRelease
from tests.conftest import sign_again
from tests.support.repository import MemoryStore

FORMER, OTHER = [b"one", b"two", b"three"], [b"two", b"new", b"three", b"newer", b"new"]
NOISE = np.random.default_rng(4).bytes(20_000)


def entry(content: bytes) -> FileEntry:
    return FileEntry(bytes=len(content), sha256=sha256(content).hexdigest())


def table(records: list[bytes], packs: list[int], starts: list[int]) -> RecordTable:
    return RecordTable(
        np.array([key(record) for record in records], np.uint64),
        np.array([len(record) for record in records], np.uint32),
        np.array(packs, np.uint16),
        np.array(starts, np.uint64),
    )


def kind_of(records: list[bytes]) -> Kind:
    class Records(list[bytes]):
        def close(self) -> None:
            pass

    return Kind("words", ("words",), lambda _: cast(Any, Records(records)), lambda *_: None)


def changes(**given: Any) -> Changes:
    plain: dict[str, Any] = {
        "bundle": "one", "kinds": (), "table": None, "packs": (), "head": "", "patches": {},
        "local_index": False,
    }  # fmt: skip
    return Changes.model_validate(plain | given)


def release(manifest: Any = None, **given: Any) -> FormerRelease:
    tables = {"words": table(FORMER, [2, NO_PACK, 1], [20, 0, 10])}
    return FormerRelease(cast(Manifest, manifest), changes(**given), tables)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, ""),
        ({"kinds": []}, ""),
        ({"kinds": ["pictures", "pictures"]}, "name a kind of records twice"),
        ({"kinds": ["sounds"]}, "are those of another bundle"),
        ({"bundle": "two"}, "are those of another bundle"),
        ({"packs": 3}, "cannot be read"),
    ],
)
def test_changes_are_those_of_the_bundle_and_of_kinds_that_are_known(
    wrong: dict[str, Any], said: str
) -> None:
    content = changes(kinds=("pictures", "vectors")).model_dump(mode="json") | wrong
    data = json.dumps(content).encode()
    if said:
        with pytest.raises(ForgedError, match=f"the changes of one {said}"):
            parse_changes(data, "one")
    else:
        assert parse_changes(data, "one").bundle == "one"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, False),
        ({"local_index": True}, True),
        ({"kinds": ("words",)}, True),
        ({"patches": {"a": ()}}, True),
    ],
)
def test_changes_are_published_where_devices_have_a_use_for_them(
    given: dict[str, Any], told: bool
) -> None:
    made = MadeChanges(changes(**given), {})
    assert bool(made.content) is told
    assert made.content == b"" or Changes.model_validate_json(made.content) == made.changes


def test_the_pieces_of_changes_are_their_table_packs_and_patches() -> None:
    table, pack, patch = entry(b"table"), entry(b"a pack"), entry(b"patch!!")
    patches = {"items.db": (Patch(**patch.model_dump(), old=""),)}
    made = changes().model_copy(update={"table": table, "packs": (pack,), "patches": patches})
    assert made.pieces() == {piece.sha256: piece.bytes for piece in (table, pack, patch)}
    assert changes().pieces() == {}


def test_a_record_has_the_place_that_it_had_in_the_former_release() -> None:
    new = table([b"three", b"new", b"one"], [NO_PACK] * 3, [0] * 3)
    found = changes_maker._former_places(new, release(), "words")
    assert (found.packs.tolist(), found.starts.tolist()) == ([1, NO_PACK, 2], [10, 0, 20])
    for former, kind in ((None, "words"), (release(), "pictures")):
        same = changes_maker._former_places(new, former, kind)
        assert same.packs.tolist() == [NO_PACK] * 3


def test_a_pack_holds_each_new_record_once(tmp_path: Path) -> None:
    tables = {"words": table(OTHER, [NO_PACK] * 5, [0] * 5)}
    former = release(packs=(entry(b"1"), entry(b"2")))
    path = changes_maker._write_pack(tmp_path, tmp_path, [kind_of(OTHER)], tables, former)
    assert path is not None
    assert path.read_bytes() == b"newnewer"
    assert tables["words"].packs.tolist() == [NO_PACK, 3, NO_PACK, 3, 3]
    assert tables["words"].starts.tolist() == [0, 0, 0, 3, 0]


def test_no_pack_is_written_of_what_is_not_new_or_cannot_be_compared(tmp_path: Path) -> None:
    unknown = replace(release(), tables={})
    without = replace(release(), changes=None)
    for records, former in ((FORMER, release()), (OTHER, unknown), (OTHER, without), (OTHER, None)):
        tables = {"words": table(records, [NO_PACK] * len(records), [0] * len(records))}
        kinds = [kind_of(records)]
        assert changes_maker._write_pack(tmp_path, tmp_path, kinds, tables, former) is None
        assert set(tables["words"].packs.tolist()) == {NO_PACK}


def test_only_packs_that_hold_a_record_are_named_and_the_newest_ones() -> None:
    packs = [entry(b"%d" % number) for number in range(40)]
    few = table([b"a", b"b", b"c", b"d", b"e"], [3, NO_PACK, 1, 3, 41], [0] * 5)
    tables, named = changes_maker._with_named_packs({"words": few}, packs)
    assert named == [packs[0], packs[2]]
    assert tables["words"].packs.tolist() == [2, NO_PACK, 1, 2, NO_PACK]
    many = table([b"%d" % number for number in range(40)], list(range(1, 41)), [0] * 40)
    tables, named = changes_maker._with_named_packs({"words": many}, packs)
    assert named == packs[-MOST_PACKS:]
    lost = 40 - MOST_PACKS
    assert tables["words"].packs.tolist() == [NO_PACK] * lost + list(range(1, MOST_PACKS + 1))
    assert changes_maker._with_named_packs({}, []) == ({}, [])


def manifest_of(small_bundle: Path, **files: bytes) -> Manifest:
    manifest = parse_manifest((small_bundle / "manifest.json").read_bytes(), "manifest")
    added = {name: entry(content) for name, content in files.items()}
    return manifest.model_copy(update={"files": manifest.files | added})


def made(small_bundle: Path, folder: Path, former: FormerRelease | None, **given: Any) -> Changes:
    return make_changes(
        folder,
        given.get("manifest") or manifest_of(small_bundle),
        "one",
        former,
        MemoryStore(),
        folder,
        local_index=given.get("local_index", True),
    ).changes


@pytest.fixture
def no_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no kind of records can files be made."""
    monkeypatch.setattr(changes_maker, "_can_be_made", lambda *_: False)


@pytest.mark.usefixtures("no_kinds")
def test_small_and_huge_files_and_those_of_records_have_no_patch(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"text " * 2000
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_bytes(text)
    manifest = manifest_of(small_bundle, **{"one.txt": text})
    monkeypatch.setattr(changes_maker, "LARGEST_PATCHED", len(text))
    for least, named in ((len(text) - 1, {"one.txt"}), (len(text), set())):
        monkeypatch.setattr(changes_maker, "SMALL", least)
        only = {"one.txt": manifest.files["one.txt"], INDEX: manifest.files[INDEX]}
        found = made(small_bundle, tmp_path, None, manifest=_with(manifest, only))
        assert set(found.patches) == named
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    monkeypatch.setattr(changes_maker, "LARGEST_PATCHED", len(text) - 1)
    assert not made(small_bundle, tmp_path, None, manifest=_with(manifest, only)).patches
    (tmp_path / "one.txt").unlink()
    monkeypatch.setattr(changes_maker, "LARGEST_PATCHED", len(text))
    with pytest.raises(BundleError, match=r"one\.txt: cannot be read"):
        made(small_bundle, tmp_path, None, manifest=_with(manifest, only))


def _with(manifest: Manifest, files: dict[str, FileEntry]) -> Manifest:
    return manifest.model_copy(update={"files": files})


def test_what_is_made_of_records_is_not_patched(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    monkeypatch.setattr(changes_maker, "_can_be_made", lambda *_: True)
    asked: list[str] = []

    def note(file: Path, *_: object) -> tuple[Patch, ...]:
        asked.append(file.name)
        return ()

    monkeypatch.setattr(changes_maker, "_patches", note)
    manifest = manifest_of(small_bundle)
    kinds = [kind for kind in KINDS if set(kind.files) <= set(manifest.files)]
    monkeypatch.setattr(changes_maker, "KINDS", kinds)
    make_changes(
        small_bundle, manifest, "one", None, MemoryStore(), tmp_path, local_index=True
    )  # fmt: skip
    files = {name for kind in kinds for name in kind.files}
    assert files
    assert {Path(name).name for name in set(manifest.files) - files - {INDEX}} == set(asked)


@pytest.mark.usefixtures("no_kinds")
def test_an_unchanged_file_keeps_the_patches_of_the_release_that_changed_it(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    kept = Patch(old="", bytes=1, sha256=sha256(b"1").hexdigest())
    other = Patch(old="", bytes=2, sha256=sha256(b"2").hexdigest())
    monkeypatch.setattr(changes_maker, "_patches", lambda *_: (other,))
    manifest = manifest_of(small_bundle, **{"same.txt": b"same", "newer.txt": b"newer"})
    only = {name: manifest.files[name] for name in ("same.txt", "newer.txt", INDEX)}
    before = SimpleNamespace(files={"same.txt": entry(b"same"), "newer.txt": entry(b"older")})
    former = release(before, patches={"same.txt": (kept,), "newer.txt": (kept,)})
    found = made(small_bundle, tmp_path, former, manifest=_with(manifest, only))
    assert found.patches == {"same.txt": (kept,), "newer.txt": (other,)}
    without = replace(former, changes=None)
    found = made(small_bundle, tmp_path, without, manifest=_with(manifest, only))
    assert found.patches == {"newer.txt": (other,)}


@pytest.mark.usefixtures("no_kinds")
@pytest.mark.parametrize(
    ("asked", "kind", "least", "may"),
    [
        (True, "annoy", -1, True),
        (False, "annoy", -1, False),
        (True, "exact", -1, False),
        (True, "annoy", 0, False),
    ],
)
def test_devices_build_a_large_index_where_they_may(
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool,
    kind: str,
    least: int,
    may: bool,
) -> None:
    manifest = manifest_of(small_bundle)
    index = manifest.index.model_copy(update={"kind": kind})
    manifest = manifest.model_copy(update={"index": index, "files": {INDEX: manifest.files[INDEX]}})
    monkeypatch.setattr(changes_maker, "SMALL", manifest.files[INDEX].bytes + least)
    found = made(small_bundle, tmp_path, None, manifest=manifest, local_index=asked)
    assert found.local_index is may


@pytest.mark.parametrize("more", [0, 1])
def test_a_pack_that_saves_too_little_is_not_named(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    vectors = next(kind for kind in KINDS if kind.name == "vectors")
    manifest = manifest_of(small_bundle)
    size = sum(manifest.files[name].bytes for name in vectors.files)
    pack = tmp_path / "pack"
    pack.write_bytes(bytes(size // 2 + more))
    assert size % 2 == 0
    monkeypatch.setattr(changes_maker, "KINDS", [vectors])
    monkeypatch.setattr(changes_maker, "_can_be_made", lambda *_: True)
    monkeypatch.setattr(changes_maker, "_patches", lambda *_: ())
    monkeypatch.setattr(changes_maker, "_write_pack", lambda *_: pack)
    monkeypatch.setattr(changes_maker, "_with_named_packs", lambda tables, packs: (tables, packs))
    former = release(SimpleNamespace(files={}))
    found = make_changes(
        small_bundle, manifest, "one", former, MemoryStore(), tmp_path, local_index=False
    )
    assert len(found.changes.packs) == 1 - more


def test_records_are_used_where_they_give_the_same_bytes_and_are_worth_it(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(small_bundle)
    for kind in KINDS:
        size = sum(manifest.files[name].bytes for name in kind.files if name in manifest.files)
        for small, may in ((size, False), (size - 1, size > 0)):
            monkeypatch.setattr(changes_maker, "SMALL", small)
            assert bool(changes_maker._can_be_made(kind, small_bundle, manifest)) is may, kind.name

    def damaged(_: Path) -> Any:
        raise ValueError("not records")

    broken = replace(KINDS[0], open=damaged)
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    assert not changes_maker._can_be_made(broken, small_bundle, manifest)
    found = changes_maker._table(KINDS[0], small_bundle)
    with closing(KINDS[0].open(small_bundle)) as records:
        assert found.keys.tolist() == [key(records[photo]) for photo in range(len(records))]
    assert set(found.packs.tolist()) == {NO_PACK}


def test_pictures_that_another_sqlite_wrote_can_be_made(
    own_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their head says which; it is published beside them."""
    with (own_bundle / "pictures.db").open("r+b") as file:
        file.seek(96)
        file.write(b"\0\x2e\x1f\x0a")  # SQLite's version is there
    sign_again(own_bundle)
    monkeypatch.setattr(changes_maker, "SMALL", 0)
    kind = next(kind for kind in KINDS if kind.name == "pictures")
    assert changes_maker._can_be_made(kind, own_bundle, manifest_of(own_bundle))


def test_no_time_is_lost_on_what_cannot_get_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    slow: list[bytes] = []

    def noted(content: bytes, old: bytes = b"", **how: int) -> bytes:
        if not how:
            slow.append(old)
        return compress(content, old, **how)

    monkeypatch.setattr(changes_maker, "compress", noted)
    store, pieces = MemoryStore(), changes_maker._Pieces(tmp_path)
    store.objects[f"files/{entry(NOISE[:15_000]).sha256}"] = NOISE[:15_000]
    for former, tried in ((None, []), (entry(NOISE[:15_000]), [NOISE[:15_000]])):
        slow.clear()
        changes_maker._patches(tmp_path / "noise", entry(NOISE), former, store, pieces)
        assert slow == tried
    monkeypatch.setattr(changes_maker, "LARGEST_PATCHED", 15_000)
    slow.clear()
    changes_maker._patches(tmp_path / "noise", entry(NOISE), former, store, pieces)
    assert slow == [NOISE[:15_000]], "as large as may be"
    monkeypatch.setattr(changes_maker, "LARGEST_PATCHED", 14_999)
    slow.clear()
    changes_maker._patches(tmp_path / "noise", entry(NOISE), former, store, pieces)
    assert slow == []


def test_a_patch_has_at_most_half_of_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = NOISE[:1048] + bytes(1000)  # a power of two: its shares are exact
    (tmp_path / "half").write_bytes(content)
    packed = len(compress(content))
    pieces = changes_maker._Pieces(tmp_path)
    for worth, made in ((packed, 1), (packed - 1, 0)):
        monkeypatch.setattr(changes_maker, "WORTH", worth / len(content))
        file = tmp_path / "half"
        found = changes_maker._patches(file, entry(content), None, MemoryStore(), pieces)
        assert len(found) == made
