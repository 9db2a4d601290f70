"""Which patches and packs a device takes, by the bytes that they save."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from catalog.bundles.manifest import FileEntry, Manifest
from catalog.bundles.records import PICTURES_FILE, VECTORS_FILE, Kind, key
from sync.catalogues import changes as making
from sync.catalogues.changes import FileMaker, Plan
from sync.trust.changes import NO_PACK, Changes, Patch, RecordTable, compress, pack_tables

OLD, NEW = b"the old content " * 50, b"the new content " * 50
BASE, ALL = [b"one", b"two"], [b"two", b"three", b"one", b"four"]


def entry(content: bytes) -> FileEntry:
    return FileEntry(bytes=len(content), sha256=sha256(content).hexdigest())


def patch(data: bytes, old: bytes = b"") -> Patch:
    known = sha256(old).hexdigest() if old else ""
    return Patch(old=known, bytes=len(data), sha256=sha256(data).hexdigest())


def changes(**given: Any) -> Changes:
    plain: dict[str, Any] = {
        "bundle": "one", "kinds": (), "table": None, "packs": (), "head": "", "patches": {},
        "local_index": False,
    }  # fmt: skip
    return Changes.model_validate(plain | given)


class Device:
    """A base with files, a folder for what comes in, and a store of pieces."""

    def __init__(self, folder: Path) -> None:
        self.base, self.incoming = folder / "base", folder / "incoming"
        self.base.mkdir()
        self.incoming.mkdir()
        self.pieces: dict[str, bytes] = {}
        self.here: set[str] = set()

    def piece(self, data: bytes) -> FileEntry:
        self.pieces[sha256(data).hexdigest()] = data
        return entry(data)

    def fetch(self, piece: FileEntry) -> Path:
        path = self.incoming / piece.sha256
        path.write_bytes(self.pieces[piece.sha256])
        return path

    def missing(self, piece: FileEntry) -> int:
        return 0 if piece.sha256 in self.here else piece.bytes

    def maker(
        self,
        given: Changes,
        files: dict[str, FileEntry],
        missing: dict[str, int],
        photos: int = 0,
        base: dict[str, FileEntry] | None = None,
    ) -> FileMaker:
        for name, content in (("text", OLD), ("words", b"base")):
            (self.base / name).write_bytes(content)
        there = {"text": entry(OLD), "words": entry(b"base")} if base is None else base
        manifest = cast(Manifest, SimpleNamespace(files=files, photos=photos))
        known = cast(Manifest, SimpleNamespace(files=there))
        return FileMaker(given, manifest, self.base, known, self.incoming, missing)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def chosen(device: Device, patches: list[Patch], missing: int, **how: Any) -> Patch | None:
    given = changes(patches={"text": tuple(patches)})
    maker = device.maker(given, {"text": entry(NEW)}, {"text": missing}, **how)
    return maker.plan(device.fetch, device.missing).patches.get("text")


def test_the_smallest_patch_is_taken_that_fits_what_is_here(device: Device) -> None:
    alone, of_old, of_other = patch(b"a" * 30), patch(b"b" * 10, OLD), patch(b"c", b"other")
    assert chosen(device, [alone, of_old, of_other], 100) == of_old
    assert chosen(device, [alone, of_other], 100) == alone
    assert chosen(device, [of_other], 100) is None
    assert chosen(device, [alone, of_old], 100, base={}) == alone
    device.here.add(alone.sha256)
    assert chosen(device, [alone, of_old], 100) == alone, "it is here already"


@pytest.mark.parametrize(("missing", "taken"), [(11, True), (10, False)])
def test_a_patch_is_taken_where_it_saves_bytes(device: Device, missing: int, taken: bool) -> None:
    assert (chosen(device, [patch(b"b" * 10, OLD)], missing) is not None) is taken


def test_files_that_are_held_in_memory_have_bounds(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, of_old = patch(b"a" * 30), patch(b"b" * 10, OLD)
    assert len(OLD) == len(NEW)
    monkeypatch.setattr(making, "LARGEST_PATCHED", len(NEW))
    assert chosen(device, [alone, of_old], 100) == of_old
    monkeypatch.setattr(making, "LARGEST_PATCHED", len(NEW) - 1)
    assert chosen(device, [alone, of_old], 100) is None
    large = {"text": FileEntry(bytes=len(NEW), sha256=entry(OLD).sha256)}
    assert chosen(device, [alone], 100, base=large) is None


def test_a_patched_file_is_flushed_before_it_counts_as_here(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr("os.fsync", lambda _: steps.append("file"))
    monkeypatch.setattr("catalog.core.durable.flush_folder", lambda f: steps.append(f.name))
    data = compress(NEW, OLD)
    maker = device.maker(changes(), {"text": entry(NEW)}, {"text": 1000})
    plan = Plan(patches={"text": Patch(**patch(data, OLD).model_dump())})
    device.piece(data)
    (device.incoming / making.FOLDER).mkdir()
    (device.incoming / making.FOLDER / "left").touch()
    maker.make(plan, device.fetch)
    assert steps == ["file", "incoming"]
    assert (device.incoming / entry(NEW).sha256).read_bytes() == NEW
    assert not (device.incoming / making.FOLDER).exists()


@pytest.mark.parametrize("wrong", [NEW[:-1] + b"x", NEW + b"x"])
def test_what_does_not_become_what_was_signed_is_left_out(
    device: Device, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the right size or not."""
    maker = device.maker(changes(), {"text": entry(NEW)}, {"text": 1000})
    folder = device.incoming / "made"
    folder.mkdir()
    (folder / "text").write_bytes(wrong)
    with pytest.raises(ValueError, match="text does not become what was signed"):
        maker._accept(folder / "text", "text")
    data = compress(NEW[: len(wrong) - 1] + b"x", OLD)
    device.piece(data)
    maker.make(Plan(patches={"text": patch(data, OLD)}), device.fetch)
    assert "text: is not made of changes, but fetched whole: " in caplog.text
    assert not (device.incoming / entry(NEW).sha256).exists()


def test_a_base_that_is_damaged_is_named(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    maker = device.maker(changes(), {"text": entry(NEW)}, {"text": 1000})
    (device.base / "text").write_bytes(OLD[:-1])
    data = compress(NEW, OLD)
    device.piece(data)
    maker.make(Plan(patches={"text": patch(data, OLD)}), device.fetch)
    assert f"fetched whole: {device.base / 'text'} is damaged" in caplog.text
    assert not (device.incoming / entry(NEW).sha256).exists()


def table_of(
    records: list[bytes], packs: list[int], starts: list[int], longer: int = 0
) -> RecordTable:
    return RecordTable(
        np.array([key(record) for record in records], np.uint64),
        np.array([len(record) + longer for record in records], np.uint32),
        np.array(packs, np.uint16),
        np.array(starts, np.uint64),
    )


class Records(list[bytes]):
    """Those of a base."""

    def close(self) -> None:
        pass


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A kind of records, the only one: its file is all of them with a line each."""

    def write(folder: Path, base: Path, records: Any) -> None:
        (folder / "words").write_bytes(b"".join(record + b"\n" for record in records))

    kind = Kind("words", ("words",), lambda _: cast(Any, Records(BASE)), write)
    monkeypatch.setattr(making, "KINDS", [kind])
    return kind


CONTENT = b"".join(record + b"\n" for record in ALL)
PACK = b"..three.four"


def plan_records(
    device: Device,
    table: RecordTable,
    missing: int,
    vectors: int = 2 * len(ALL),
    kinds: tuple[str, ...] = ("words",),
    base: dict[str, FileEntry] | None = None,
    size: int = len(CONTENT),
) -> tuple[FileMaker, Plan]:
    packed = device.piece(pack_tables({"words": table}))
    packs = (device.piece(b"unused"), device.piece(PACK))
    files = {
        "words": FileEntry(bytes=size, sha256=entry(CONTENT).sha256),
        VECTORS_FILE: FileEntry(bytes=vectors, sha256="0" * 64),
    }
    given = changes(kinds=kinds, table=packed, packs=packs)
    maker = device.maker(given, files, {"words": missing}, photos=len(ALL), base=base)
    return maker, maker.plan(device.fetch, device.missing)


GOOD = table_of(ALL, [NO_PACK, 2, 1, 2], [0, 2, 0, 8])


def test_records_come_from_the_base_or_a_pack(device: Device, words: Kind) -> None:
    maker, plan = plan_records(device, GOOD, 10_000)
    assert [kind.name for kind in plan.kinds] == ["words"]
    assert (list(plan.packs), len(plan.pieces)) == ([2], 1)
    maker.make(plan, device.fetch)
    assert (device.incoming / entry(CONTENT).sha256).read_bytes() == CONTENT


def test_pictures_get_the_head_that_was_published(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite writes there which version of it wrote the file."""

    def write(folder: Path, base: Path, records: Any) -> None:
        (folder / PICTURES_FILE).write_bytes(b"m" * 100 + b"".join(records))

    kind = Kind("pictures", (PICTURES_FILE,), lambda _: cast(Any, Records(BASE)), write)
    monkeypatch.setattr(making, "KINDS", [kind])
    head = b"H" * 100
    content = head + b"".join(BASE)
    table = device.piece(pack_tables({"pictures": table_of(BASE, [NO_PACK] * 2, [0, 0])}))
    files = {PICTURES_FILE: entry(content), VECTORS_FILE: FileEntry(bytes=8, sha256="0" * 64)}
    given = changes(kinds=("pictures",), table=table, head=head.hex())
    base = {PICTURES_FILE: entry(b"base")}
    maker = device.maker(given, files, {PICTURES_FILE: 10_000}, photos=len(BASE), base=base)
    maker.make(maker.plan(device.fetch, device.missing), device.fetch)
    assert (device.incoming / entry(content).sha256).read_bytes() == content


@pytest.mark.parametrize(
    ("table", "how"),
    [
        (GOOD, {"vectors": 2 * len(ALL) - 1}),
        (GOOD, {"kinds": ()}),
        (GOOD, {"base": {}}),
        (GOOD, {"size": sum(map(len, ALL)) - 1}),
        (table_of(ALL, [NO_PACK, 3, 1, 2], [0, 2, 0, 8]), {}),
        (table_of(ALL, [NO_PACK, NO_PACK, 1, 2], [0, 0, 0, 8]), {}),
    ],
    ids="vectors kinds base size pack lost".split(),
)
@pytest.mark.usefixtures("words")
def test_records_that_cannot_be_had_are_not_planned(
    device: Device, table: RecordTable, how: dict[str, Any]
) -> None:
    assert plan_records(device, table, 10_000, **how)[1] == Plan()


@pytest.mark.usefixtures("words")
def test_records_are_used_where_they_save_bytes(device: Device) -> None:
    table = device.piece(pack_tables({"words": GOOD})).bytes
    assert plan_records(device, GOOD, max(table, len(PACK)) + 1)[1].packs
    assert plan_records(device, GOOD, table)[1] == Plan(), "the table alone is as large"
    device.here.add(entry(pack_tables({"words": GOOD})).sha256)
    assert plan_records(device, GOOD, len(PACK) + 1)[1].packs
    assert plan_records(device, GOOD, len(PACK))[1] == Plan()
    assert plan_records(device, GOOD, 0)[1] == Plan()
