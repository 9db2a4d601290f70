"""Split a cell into the places of its photos."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from catalog.core.photos import is_address, is_photo_name
from catalog.sources.source import as_text

ADDRESS = r"(?:https?:)?//"
BEFORE_ADDRESS = re.compile(rf"\s*[|;,\n]+\s*(?={ADDRESS})|\s+(?=https?://)", re.IGNORECASE)
BARS = re.compile(r"[|\n]")


def photo_places(cell: object, folder: Path) -> list[str]:
    """Return the places of the photos in a cell: addresses, and paths from `folder` on.

    The cell is a JSON list, or text with ``|``, ``;``, ``,`` or line ends between the places.
    ``|`` within the query of an address separates nothing, nor does a comma or semicolon in the
    name of one file.

    Raises:
        ValueError: It begins as a JSON list and is none, or it holds what is no text.
    """
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
            json.dumps(cell, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"photo is no JSON list: {error}") from error
    texts = cell if isinstance(cell, list) else [cell]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("photo is neither text nor a list of texts")
    if isinstance(cell, list):
        places = [as_text(place) for place in cell]
    else:
        places = [
            place.strip()
            for part in BEFORE_ADDRESS.split(as_text(cell))
            for place in _split(part, folder)
        ]
    return [_complete(place, folder) for place in places if place]


def _split(part: str, folder: Path) -> list[str]:
    """Split what holds one address at most."""
    if re.match(ADDRESS, part, re.IGNORECASE):
        address, _, query = part.partition("?")
        return part.split("\n") if query and "|" not in address else BARS.split(part)
    places = []
    for piece in BARS.split(part):
        for delimiter in ";,":
            files = [name for name in piece.split(delimiter) if name.strip()]
            if (
                len(files) > 1
                and (delimiter == ";" or all(is_photo_name(name.strip()) for name in files))
                and not os.path.isfile(
                    folder / piece.strip()
                )  # false, too, for what can be no name
            ):
                places += files
                break
        else:
            places.append(piece)
    return places


def _complete(place: str, folder: Path) -> str:
    """Return an address with a scheme in small letters, or a path with its folder."""
    if place.startswith("//"):
        return f"https:{place}"
    if not is_address(place):
        if "\\" in place and not os.path.exists(folder / place):  # as Windows has it
            place = place.replace("\\", "/")
        return str(folder / place)
    scheme, colon, rest = place.partition(":")
    return scheme.lower() + colon + rest
