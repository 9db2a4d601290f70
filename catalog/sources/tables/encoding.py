"""Decode a table's bytes, whichever program saved them."""

from __future__ import annotations

import codecs
import re

from catalog.core.errors import TableError
from catalog.core.terminal import counted
from catalog.sources.source import Remarks
from catalog.sources.tables.column_names import field_of

MARKS = (  # UTF-32's begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHINESE = ("gb18030", "big5")
PAIRS = 4  # bytes: hardly ever do so many letters with accents follow each other


def decode(data: bytes, remarks: Remarks) -> str:
    """Decode a table to text whose lines end in ``\\n``.

    A byte-order mark names the encoding. Without one it is UTF-8, a single wrong line in it being
    of Windows; or else what spreadsheet programs save: a Chinese encoding where it makes the first
    line name a known column or letters come in pairs of bytes, MacRoman where lines end as on old
    Macs, and last Windows-1252.

    Raises:
        TableError: It is none of these; the message names the line.
    """
    text = _decode(data, remarks)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, remarks: Remarks) -> str:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _strict(data, encoding, remarks)
    if b"\0" in data[:64]:
        first = data[:64]  # of ASCII letters the zeros come first, or second
        is_big = first[::2].count(0) > first[1::2].count(0)
        return _strict(data, "utf-16-be" if is_big else "utf-16-le", remarks)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _decode_lines(data, remarks)


def _strict(data: bytes, encoding: str, remarks: Remarks) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{remarks.table}: begins as {encoding.upper()} and is none ({error.reason}); "
            "save the table as UTF-8"
        ) from error


def _decode_lines(data: bytes, remarks: Remarks) -> str:
    """Decode what is not UTF-8 throughout."""
    lines = re.split(rb"(?<=\n)|(?<=\r)(?!\n)", data)
    wrong = [number for number, line in enumerate(lines, 1) if not _is_utf8(line)]
    written = sum(not line.isascii() for line in lines)
    if len(wrong) * 2 > written:
        encoding = _whole_encoding(lines)
        text = _decode_windows(data, encoding, wrong[0], remarks)
        remarks.note(
            f"not UTF-8, so it was read as {_NAMES[encoding]}; see that its letters are right"
        )
        return text
    for number in wrong:
        lines[number - 1] = lines[number - 1].decode("cp1252", "replace").encode()
    remarks.note(
        f"UTF-8 but for {counted(len(wrong), 'line')}, the first of them line {wrong[0]}, "
        "read as Windows-1252"
    )
    return b"".join(lines).decode()


_NAMES = {
    "cp1252": "Windows-1252",
    "mac_roman": "MacRoman",
    "gb18030": "GB18030 (Chinese)",
    "big5": "Big5 (Chinese)",
}


def _whole_encoding(lines: list[bytes]) -> str:
    for encoding in CHINESE:
        header = lines[0].decode(encoding, "replace")
        if any(not name.isascii() and field_of(name) for name in re.split(r"[,;\t|]", header)):
            return encoding
    runs = re.findall(rb"[\x80-\xff]+", b"".join(lines))
    if all(len(run) % 2 == 0 for run in runs) and max(map(len, runs)) >= PAIRS:
        return "gb18030"
    return "mac_roman" if not any(line.endswith(b"\n") for line in lines) else "cp1252"


def _decode_windows(data: bytes, encoding: str, line: int, remarks: Remarks) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TableError(
            f"{remarks.table}, line {line}: not UTF-8, and not {_NAMES[encoding]} either "
            f"({error.reason}); save the table as UTF-8"
        ) from error


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
