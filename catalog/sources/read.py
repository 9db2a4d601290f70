"""Read the source of a catalogue: a folder for each item, a flat folder, or a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from catalog.core.errors import ContentError, TableError
from catalog.core.photos import is_address
from catalog.sources.folders import read_folder
from catalog.sources.sample_files import file_name
from catalog.sources.source import DEFAULT_READING, ReadOptions, Source, SourceItem
from catalog.sources.tables.read import TABLES, read_table

OFTEN_NOTES = (".txt", ".json")  # files of these kinds beside pictures are hardly tables


def read_source(path: Path, options: ReadOptions = DEFAULT_READING) -> Source:
    """Read a catalogue's source: a folder, or a table by its suffix.

    Raises:
        TableError: The table cannot be read; the message names the line.
        ContentError: The folder or table does not exist, or is empty; it is not clear which
            folders are items; or an option is for a source of the other kind.
    """
    if path.is_dir():
        if options.columns:
            raise ContentError(f"{path}: a folder has no columns; leave --map out, or name a table")
        source = read_folder(path, options)
        if not source.items:
            left_out = f". Left out: {source.left_out[0]}" if source.left_out else ""
            raise ContentError(
                f"{path}: no pictures in it; wanted are a folder for each item, "
                f"pictures named by their sku, or a CSV or JSONL table{left_out}"
            )
        return replace(source, notes=(*source.notes, *_tables_in(path)))
    if not path.exists():
        raise ContentError(f"{path}: no such file or folder")
    if options.items:
        raise ContentError(
            f"{path}: the items of a table are its rows; leave --items out, or name a folder"
        )
    if path.suffix.lower() in TABLES:
        return read_table(path, options.columns)
    raise ContentError(
        f"{path}: wanted is a folder, a .csv or .jsonl table, or one of "
        f"{', '.join(sorted({*TABLES} - {'.csv', '.jsonl'}))}"
    )


def _tables_in(folder: Path) -> list[str]:
    """Say which tables lie beside the pictures: their owner may have meant them."""
    return [
        f"{file}: the table is not read; to build from it, name it instead of {folder}"
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in TABLES
        and file.suffix.lower() not in OFTEN_NOTES
        and not file.name.startswith(".")
    ]


def photos_in(folder: Path, items: list[SourceItem]) -> list[SourceItem]:
    """Return the same items, with each photo's address replaced by a file in `folder`.

    The file is found by the file name at the end of the address.

    Raises:
        ContentError: There is no such folder, or no photo has an address.
    """
    if not folder.is_dir():
        raise ContentError(f"{folder}: no such folder of photos")
    if not any(is_address(place) for source in items for place in source.photos):
        raise ContentError(f"{folder}: no photo is named by its address; leave --photos out")
    return [
        replace(source, photos=tuple(_place_in(folder, place) for place in source.photos))
        for source in items
    ]


def _place_in(folder: Path, place: str) -> str:
    if not is_address(place):
        return place
    try:
        decoded = folder / file_name(place)
    except ValueError as error:
        raise TableError(f"{place}: {error}") from error
    # Some programs save a file under its name as it is written in the address.
    as_written = folder / place.partition("?")[0].rpartition("/")[2]
    return str(as_written if as_written.is_file() else decoded)
