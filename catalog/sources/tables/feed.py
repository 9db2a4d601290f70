"""Read product feeds in XML: RSS or Atom, as Google Merchant and others take them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from catalog.core.errors import TableError
from catalog.sources.rows import Table, TableRow, table_of
from catalog.sources.source import Remarks
from catalog.sources.tables.column_names import field_of

PRODUCTS = ("item", "entry", "product")  # in RSS, in Atom, and in feeds of their own kind
DECLARATION = re.compile(
    rb"""(\xef\xbb\xbf)?\s*<\?xml\b[^<>]*?\bencoding\s*=\s*["']([\w.:-]+)["'][^<>]*>"""
)
OF_THE_PARSER = ("utf-8", "utf-16", "us-ascii", "iso-8859-1")
# What feeds declare, and what they are written in: the same encoding with more characters.
WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc-kr": "cp949"}


def read_feed(data: bytes, remarks: Remarks) -> Table:
    """Return a table whose columns are the names of the products' elements.

    Raises:
        TableError: It is no XML, or one that declares entities; the message names the line.
    """
    try:
        return table_of(_rows(_readable(data)))
    except DefusedXmlException as error:
        raise TableError(
            f"{remarks.table}: declares entities, which a product feed does not need; refused"
        ) from error
    except (ParseError, LookupError, ValueError) as error:  # of the text, or of its encoding
        raise TableError(f"{remarks.table}: not XML that can be read: {error}") from error


def _readable(data: bytes) -> bytes:
    """Return a feed in an encoding that the parser knows; it knows none of East Asia."""
    declaration = DECLARATION.match(data)
    if declaration is None:
        return data
    mark, name = declaration[1], declaration[2].decode("ascii").lower()
    if mark or name in OF_THE_PARSER:
        return data[declaration.end() :] if mark else data
    return data[declaration.end() :].decode(WIDER.get(name, name)).encode()


def _rows(data: bytes) -> Iterator[TableRow]:
    number = 0
    for _, element in iterparse(io.BytesIO(data), events=("end",)):
        if _name(element) in PRODUCTS:
            number += 1
            row = _row(element)
            element.clear()  # a large feed need not be in memory twice
            if row:
                yield f"item {number}", row


def _row(product: Element) -> dict[str, object]:
    texts: dict[str, list[str]] = {}
    for element in product:
        text = " ".join("".join(element.itertext()).split()) or element.get("href", "")
        if text and text not in texts.setdefault(_name(element), []):
            texts[_name(element)].append(text)
    return {
        name: found if (field_of(name) or ("",))[0] == "photo" else ", ".join(found)
        for name, found in texts.items()
        if found
    }


def _name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
