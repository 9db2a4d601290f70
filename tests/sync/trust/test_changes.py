"""The changes of a release are read as they were packed, and nothing that may harm is read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from catalog.bundles.records import KINDS
from sync.errors import ForgedError
from sync.trust import changes as changes_module
from sync.trust.changes import (
    RecordTable,
    _dictionary,
    compress,
    pack_tables,
    parse_changes,
    uncompress,
    unpack_tables,
)


def table(photos: int) -> RecordTable:
    random = np.random.default_rng(1)
    return RecordTable(
        random.integers(0, 1 << 63, photos).astype(np.uint64),
        np.arange(photos, dtype=np.uint32),
        np.ones(photos, np.uint16),
        np.arange(photos, dtype=np.uint64) << np.uint64(33),
    )


def test_tables_are_read_as_they_were_packed() -> None:
    packed = pack_tables({"vectors": table(5), "pictures": table(5)})
    found = unpack_tables(packed, ("vectors", "pictures"), 5)
    for name in ("keys", "sizes", "packs", "starts"):
        assert np.array_equal(getattr(found["pictures"], name), getattr(table(5), name))
    for kinds, photos in (("vectors",), 5), (("vectors", "pictures"), 4):
        with pytest.raises(ValueError, match="another size"):
            unpack_tables(packed, kinds, photos)
    with pytest.raises(ValueError, match="are allowed"):
        unpack_tables(packed, ("vectors", "pictures"), 10_000_000)


def test_what_is_compressed_is_no_larger_than_was_signed() -> None:
    bomb = compress(bytes(20_000_000))
    assert len(bomb) < 5_000
    with pytest.raises(ValueError, match="another size"):
        uncompress(bomb, 1000)
    old = np.random.default_rng(1).bytes(100_000)
    patch = compress(old[:50_000] + b"new" + old[50_000:], old)
    assert len(patch) < 200
    assert uncompress(patch, 100_003, old)[50_000:50_003] == b"new"
    for data, other in ((patch[:-3], old), (patch, b""), (b"", old), (b"x" * 40, old)):
        with pytest.raises(ValueError, match="cannot be uncompressed"):
            uncompress(data, 100_003, other)


# What the package zstandard made at the same level, as owners with an earlier program do.
FORMER = "28b52ffd603b329d000028534b322e35020082e9336b3f5cb367f6150b"


def test_a_patch_of_an_earlier_program_is_read_and_a_tiny_dictionary_is_none() -> None:
    old = b"".join(b"SKU %04d;Hex bolt M%d;1.00\n" % (row, row % 13) for row in range(500))
    new = old.replace(b"SKU 0250;Hex bolt M3;1.00", b"SKU 0250;Hex bolt M3;12.50")
    patch = bytes.fromhex(FORMER)
    assert uncompress(patch, len(new), old) == new
    assert len(compress(new, old)) < 50
    assert (_dictionary(b"seven b"), _dictionary(b"eight by") is None) == (None, False)
    for shorter in (b"", b"seven b", b"eight by"):
        assert uncompress(compress(new, shorter), len(new), shorter) == new


RIGHT: dict[str, Any] = {
    "format": 1,
    "bundle": "one",
    "kinds": ["vectors", "pictures"],
    "table": {"bytes": 10, "sha256": "a" * 64},
    "packs": [{"bytes": 20, "sha256": "b" * 64}],
    "head": "",
    "patches": {"items.db": [{"bytes": 30, "sha256": "c" * 64, "old": ""}]},
    "local_index": True,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"bundle": "another"},
        {"kinds": ["sounds"]},
        {"kinds": ["vectors", "vectors"]},
        {"packs": [{"bytes": -1, "sha256": "0" * 64}]},
        {"table": {"bytes": 1, "sha256": "../../etc"}},
        {"head": "zz"},
        {"format": 2},
        {"more": 1},
    ],
)
def test_changes_that_nobody_can_have_signed_are_refused(wrong: dict[str, object]) -> None:
    assert parse_changes(json.dumps(RIGHT).encode(), "one").pieces() == {
        "a" * 64: 10,
        "b" * 64: 20,
        "c" * 64: 30,
    }
    every = RIGHT | {"kinds": [kind.name for kind in KINDS]}
    assert len(parse_changes(json.dumps(every).encode(), "one").kinds) == len(KINDS)
    without = RIGHT | {"kinds": [], "table": None, "packs": []}
    assert parse_changes(json.dumps(without).encode(), "one").pieces() == {"c" * 64: 30}
    with pytest.raises(ForgedError, match="the changes of one"):
        parse_changes(json.dumps(RIGHT | wrong).encode(), "one")
    with pytest.raises(ForgedError, match="cannot be read"):
        parse_changes(b"[" * 100_000, "one")


def test_a_table_may_be_as_large_as_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack_tables({"vectors": table(5)})
    monkeypatch.setattr(changes_module, "LARGEST_TABLE", 5 * changes_module.ROW)
    assert len(unpack_tables(packed, ("vectors",), 5)["vectors"].keys) == 5
    monkeypatch.setattr(changes_module, "LARGEST_TABLE", 5 * changes_module.ROW - 1)
    with pytest.raises(ValueError, match=f"has {5 * changes_module.ROW} bytes"):
        unpack_tables(packed, ("vectors",), 5)
