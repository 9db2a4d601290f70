"""The feature store: rows in Parquet files, in a folder and in a bucket."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from catalog.building.feature_store import KEY, NEW, FeatureStore
from catalog.core.errors import ContentError, SurroundingsError
from tests.support.s3_server import S3Server

TABLE = "photos/grid-1"


@pytest.fixture(params=[pytest.param("bucket", marks=pytest.mark.slow), "folder"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FeatureStore:
    """An empty store of each kind."""
    if request.param == "folder":
        return FeatureStore(str(tmp_path / "store"))
    server: S3Server = request.getfixturevalue("s3_server")
    source: str = request.getfixturevalue("s3_source")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    return FeatureStore(source)


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows(numbers: Iterable[int]) -> pa.Table:
    found = [{KEY: key(number), "thumbnail": bytes([number])} for number in numbers]
    return pa.Table.from_pylist(found, pa.schema([(KEY, pa.string()), ("thumbnail", pa.binary())]))


def fetched(store: FeatureStore, numbers: Iterable[int]) -> dict[str, Any]:
    found = [*store.fetch(TABLE, [key(number) for number in numbers])]
    assert len({row[KEY] for row in found}) == len(found)
    return {row[KEY]: row["thumbnail"] for row in found}


def test_rows_are_found_before_and_after_compaction(store: FeatureStore) -> None:
    assert store.keys(TABLE) == set()
    assert fetched(store, range(3)) == {}
    for begin in range(0, 60, 10):
        store.append(TABLE, rows(range(begin, begin + 12)))  # some rows are in two files
    store.append(TABLE, rows([]))
    asked = [3, 11, 45, 61, 99]
    expected = {key(number): bytes([number]) for number in (3, 11, 45, 61)}
    assert fetched(store, asked) == expected
    store.compact(TABLE)  # a few new files stay
    (size,) = store.sizes()
    assert (size.table, size.files) == (TABLE, 6)
    store.compact(TABLE, all_of_it=True)
    assert fetched(store, asked) == expected
    assert store.keys(TABLE) == {key(number) for number in range(62)}
    store.append(TABLE, rows([70]))
    store.compact(TABLE, all_of_it=True)
    assert fetched(store, [3, 70]) == {key(3): b"\x03", key(70): bytes([70])}
    assert not [name for name in store.names(TABLE) if name.startswith(NEW)]


def test_a_batch_that_is_computed_again_writes_the_same_file(store: FeatureStore) -> None:
    store.append(TABLE, rows(range(5)))
    names = store.names(TABLE)
    store.append(TABLE, rows(range(5)))
    assert store.names(TABLE) == names


def test_whoever_reads_while_it_is_compacted_finds_each_row_once(tmp_path: Path) -> None:
    store = FeatureStore(str(tmp_path))
    for begin in range(0, 200, 50):
        store.append(TABLE, rows(range(begin, begin + 50)))
    reading = store.fetch(TABLE, [key(number) for number in range(200)])
    found = [next(reading)]
    store.compact(TABLE, all_of_it=True)
    found += reading
    assert sorted(row[KEY] for row in found) == sorted(key(number) for number in range(200))


def test_whoever_lists_while_it_is_compacted_finds_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process compacts just before new rows are listed, for many prefixes and for all."""
    numbers = range(200)
    for name, ask in (
        ("fetch", lambda store: set(fetched(store, numbers))),
        ("keys", lambda store: store.keys(TABLE)),
    ):
        other = FeatureStore(str(tmp_path / name))
        other.append(TABLE, rows(numbers))
        store, listed = FeatureStore(other.address), FeatureStore._infos

        def compacted(self: FeatureStore, folder: str, **options: Any) -> list[Any]:
            if self is store and folder.endswith(NEW):  # noqa: B023
                other.compact(TABLE, all_of_it=True)  # noqa: B023
            return listed(self, folder, **options)  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(FeatureStore, "_infos", compacted)
            assert ask(store) == {key(number) for number in numbers}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = FeatureStore(str(tmp_path))
    store.append(TABLE, rows(range(5)))
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(SurroundingsError, match=file.name):
        store.keys(TABLE)
    with pytest.raises(SurroundingsError, match=file.name):
        fetched(store, [1])


def test_a_half_written_file_is_no_file(tmp_path: Path) -> None:
    """A process is killed again and again while it appends."""
    program = (
        "from tests.catalog.building.test_feature_store import *\n"
        f"store = FeatureStore({str(tmp_path)!r})\n"
        "print('ready', flush=True)\n"
        "for number in range(250): store.append(TABLE, rows([number]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    store = FeatureStore(str(tmp_path))
    while sum(size.files for size in store.sizes()) < 20:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    there = store.keys(TABLE)
    assert len(there) >= 20
    assert fetched(store, range(250)).keys() == there


@pytest.mark.parametrize("address", ["gs://bucket/store", "http://host/store"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(ContentError, match="not a feature store"):
        FeatureStore(address)


def test_a_store_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("ACCESS_KEY_ID", "a"),
        ("SECRET_ACCESS_KEY", "b"),
        ("REGION", "us-east-1"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SurroundingsError, match=r"s3://.*photos"):
        FeatureStore("s3://bucket/store").keys(TABLE)
