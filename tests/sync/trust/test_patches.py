"""A file gets the patches that are worth their bytes, whatever a quick attempt said of it."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest

from catalog.bundles.manifest import FileEntry
from sync.stores.choice import open_store
from sync.trust.changes import SMALL, uncompress
from sync.trust.changes_maker import _patches, _Pieces

NOISE = random.Random(5).randbytes(2 * SMALL)
WORDS = b"".join(b"item %d, shelf %d\n" % (number, number % 7) for number in range(SMALL // 8))


def entry(content: bytes) -> FileEntry:
    return FileEntry(bytes=len(content), sha256=sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("content", "former", "olds"),
    [
        pytest.param(NOISE, None, [], id="nothing repeats"),
        pytest.param(WORDS, None, [b""], id="much repeats"),
        pytest.param(NOISE + b"new", NOISE, [NOISE], id="all but the end was there before"),
        pytest.param(NOISE, NOISE[:1000], [], id="a little was there before"),
        pytest.param(WORDS + NOISE[:100], WORDS, [WORDS, b""], id="both"),
    ],
)
def test_patches_that_are_worth_it_are_made(
    content: bytes, former: bytes | None, olds: list[bytes], tmp_path: Path
) -> None:
    file, files = tmp_path / "file", tmp_path / "store" / "files"
    file.write_bytes(content)
    files.mkdir(parents=True)
    if former is not None:
        (files / sha256(former).hexdigest()).write_bytes(former)
    store, pieces = open_store((tmp_path / "store").as_uri()), _Pieces(tmp_path)
    before = None if former is None else entry(former)
    found = _patches(file, entry(content), before, store, pieces)
    assert [patch.old for patch in found] == [
        sha256(old).hexdigest() if old else "" for old in olds
    ]
    made = {piece.sha256: path.read_bytes() for path, piece in pieces.files.items()}
    for patch, old in zip(found, olds, strict=True):
        assert uncompress(made[patch.sha256], len(content), old) == content
