"""The feature store: tables of what builds computed, as Parquet files in a folder or in S3.

::

    STORE/<table>/new/<digest>.parquet        rows as they were appended
    STORE/<table>/<prefix>/<digest>.parquet   the same, sorted by their keys' first two digits

A row is found by its key, which begins with hex digits, and never changes. So a file is written
once, whole or not at all, under the digest of its keys: who computes a batch again writes the same
file. A row may be in two files for a while; then both are the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from catalog.core import durable
from catalog.core.errors import ContentError, MissingExtraError, SurroundingsError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset
    import pyarrow.fs
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:  # pragma: no cover
    raise MissingExtraError("a feature store", "scale") from error

Result = TypeVar("Result")

KEY = "key"
NEW = "new"
PREFIX = 2  # hex digits
ROWS_AT_ONCE = 256  # of a row group, and of a batch that is read
COMPACT_FROM = 64  # files of new rows
COMPACTED_AT_ONCE = 256 << 20  # bytes of new files
MOST_FILES = 8  # of a prefix, before they become one
TRIES = 3  # of reading while another process compacts
INCOMPRESSIBLE = ("thumbnail",)
NAME = re.compile(r"[0-9a-f]{16}\.parquet")


@dataclass(frozen=True)
class TableSize:
    """How large a table of a store is."""

    table: str
    files: int
    bytes: int


class FeatureStore:
    """A folder, or a bucket with a prefix.

    Args:
        address: A path, or s3://bucket/prefix. The credentials and the endpoint of S3 are those
            of the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL and the like).

    Raises:
        ContentError: The address is none of these.
        SurroundingsError: The store cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        scheme, separator, _ = address.partition("://")
        if separator and scheme != "s3":
            raise ContentError(f"{address}: not a feature store; give a folder or s3://bucket/path")
        self._local = not separator
        if self._local:
            self.address = self._root = str(Path(address).absolute())  # workers may be elsewhere
            self._files = pyarrow.fs.LocalFileSystem()
            return
        try:
            self._files, self._root = pyarrow.fs.FileSystem.from_uri(address.rstrip("/"))
        except (OSError, pa.ArrowInvalid) as error:
            raise SurroundingsError(f"{address}: cannot be used: {error}") from error

    def append(self, table: str, rows: pa.Table) -> None:
        """Append rows; on return they survive a crash."""
        if len(rows):
            self._write(f"{table}/{NEW}", rows)

    def keys(self, table: str) -> set[str]:
        """Return the keys of all rows of a table."""

        def read() -> set[str]:
            found: set[str] = set()
            for batch in self._scan(self._paths(table), [KEY], None):
                found.update(batch.column(0).to_pylist())
            return found

        return self._patiently(table, read)

    def fetch(
        self, table: str, keys: Collection[str], columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows with some keys, each once, in no order."""
        left = set(keys)
        for attempt in range(TRIES):
            try:
                for row in self._fetch(table, left, columns):
                    if row[KEY] in left:
                        left.remove(row[KEY])
                        yield row
                return
            except FileNotFoundError as error:  # it was compacted meanwhile
                if attempt + 1 == TRIES:
                    raise self._failed(table, error) from error

    def compact(self, table: str, *, all_of_it: bool = False) -> None:
        """Sort new files into those of their keys' prefixes, where there are many of them.

        Args:
            table: The table.
            all_of_it: Sort them in any case, and leave one file of each prefix.
        """
        with suppress(FileNotFoundError):  # another process compacts, too, and will finish it
            self._compact(table, all_of_it=all_of_it)

    def sizes(self) -> list[TableSize]:
        """Return how large each table is."""
        found: dict[str, tuple[int, int]] = {}
        for info in self._infos("", recursive=True):
            table = info.path.removeprefix(f"{self._root}/").rsplit("/", 2)[0]
            files, size = found.get(table, (0, 0))
            found[table] = files + 1, size + info.size
        return [TableSize(table, *size) for table, size in sorted(found.items())]

    def names(self, folder: str) -> list[str]:
        """Return the names of the files below a folder of the store, in their order."""
        infos = self._infos(folder, recursive=True, tables=False)
        return [info.path.removeprefix(f"{self._root}/{folder}/") for info in infos]

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        path = f"{self._root}/{name}"
        try:
            if self._local:
                durable.make_folder(Path(path).parent)
                durable.write(Path(path), content)
            else:
                with self._files.open_output_stream(path) as stream:
                    stream.write(content)
        except OSError as error:
            raise self._failed(name, error) from error

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            ContentError: There is no such file.
        """
        try:
            with self._files.open_input_stream(f"{self._root}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError as error:
            raise ContentError(f"{self.address}: has no {name}") from error
        except OSError as error:
            raise self._failed(name, error) from error

    def _compact(self, table: str, *, all_of_it: bool) -> None:
        new = self._infos(f"{table}/{NEW}")
        if not all_of_it and len(new) < COMPACT_FROM:
            return
        while new:
            taken: list[Any] = []
            size = 0
            while new and (not taken or size + new[-1].size <= COMPACTED_AT_ONCE):
                taken.append(new.pop())
                size += taken[-1].size
            rows = self._read([info.path for info in taken])
            digits = pc.utf8_slice_codeunits(rows[KEY], 0, PREFIX)
            for prefix in pc.unique(digits).to_pylist():
                self._write(f"{table}/{prefix}", rows.filter(pc.equal(digits, prefix)))
            self._remove(info.path for info in taken)
        for prefix in self._prefixes(table):
            files = self._infos(f"{table}/{prefix}")
            if len(files) > (1 if all_of_it else MOST_FILES):
                path = self._write(f"{table}/{prefix}", self._read([info.path for info in files]))
                self._remove(info.path for info in files if info.path != path)

    def _fetch(
        self, table: str, keys: set[str], columns: Sequence[str] | None
    ) -> Iterator[dict[str, Any]]:
        prefixes = {key[:PREFIX] for key in keys}
        wanted = pc.field(KEY).isin(pa.array(sorted(keys), pa.string()))
        paths = self._paths(table, prefixes)
        names = None if columns is None else [KEY, *columns]
        for batch in self._scan(paths, names, wanted):
            yield from batch.to_pylist()

    def _scan(
        self, paths: Sequence[str], columns: Sequence[str] | None, wanted: Any
    ) -> Iterator[pa.RecordBatch]:
        if not paths:
            return
        try:
            files = pyarrow.dataset.dataset(paths, format="parquet", filesystem=self._files)
            yield from files.to_batches(
                columns=columns,
                filter=wanted,
                batch_size=ROWS_AT_ONCE,
                batch_readahead=2,
                fragment_readahead=1,
                use_threads=False,
            )
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            raise SurroundingsError(f"{self.address}: a file cannot be read: {error}") from error

    def _read(self, paths: Sequence[str]) -> pa.Table:
        """Read files; of rows with the same key one is left, in the order of the keys."""
        rows = pa.Table.from_batches(list(self._scan(paths, None, None)))
        keys = rows[KEY].to_pylist()
        place = {key: number for number, key in enumerate(keys)}
        return rows.take([place[key] for key in sorted(place)])

    def _write(self, folder: str, rows: pa.Table) -> str:
        """Write a file of rows under the digest of their keys, and return its path."""
        digest = hashlib.sha256("\n".join(rows[KEY].to_pylist()).encode()).hexdigest()[:16]
        name = f"{folder}/{digest}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(
            rows,
            sink,
            row_group_size=ROWS_AT_ONCE,
            use_dictionary=False,
            compression={
                column: "none" if column in INCOMPRESSIBLE else "zstd"
                for column in rows.column_names
            },
        )
        self.write(name, sink.getvalue())
        return f"{self._root}/{name}"

    def _paths(self, table: str, prefixes: Collection[str] | None = None) -> list[str]:
        """Return the files of a table; of given prefixes, and of new rows."""
        # New rows first: those that another process sorts meanwhile are in their prefix by then.
        found = self._infos(f"{table}/{NEW}")
        if prefixes is None or len(prefixes) >= 64:
            found += self._infos(table, recursive=True)
        else:
            for prefix in sorted(prefixes):
                found += self._infos(f"{table}/{prefix}")
        return list(dict.fromkeys(info.path for info in found))

    def _prefixes(self, table: str) -> list[str]:
        selector = pyarrow.fs.FileSelector(f"{self._root}/{table}", allow_not_found=True)
        infos = self._list(selector)
        return sorted(info.base_name for info in infos if len(info.base_name) == PREFIX)

    def _infos(self, folder: str, *, recursive: bool = False, tables: bool = True) -> list[Any]:
        """Return the files below a folder; of tables alone, or all."""
        path = f"{self._root}/{folder}".rstrip("/")
        selector = pyarrow.fs.FileSelector(path, recursive=recursive, allow_not_found=True)
        return sorted(
            (
                info
                for info in self._list(selector)
                if info.is_file and (not tables or NAME.fullmatch(info.base_name))
            ),
            key=lambda info: info.path,
        )

    def _list(self, selector: pyarrow.fs.FileSelector) -> list[Any]:
        try:
            return list(self._files.get_file_info(selector))
        except OSError as error:
            raise self._failed(selector.base_dir, error) from error

    def _remove(self, paths: Iterator[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):  # another process compacts, too
                self._files.delete_file(path)

    def _patiently(self, table: str, read: Callable[[], Result]) -> Result:
        """Read again where files were compacted meanwhile."""
        for _ in range(TRIES - 1):
            try:
                return read()
            except FileNotFoundError:
                continue
        try:
            return read()
        except FileNotFoundError as error:
            raise self._failed(table, error) from error

    def _failed(self, name: str, error: Exception) -> SurroundingsError:
        return SurroundingsError(f"{self.address}: {name}: {error}")
