"""What the page loads before its first answer, without photos and the answers of the API."""

from __future__ import annotations

import re
from pathlib import Path

import edge.web.app

STATIC = Path(edge.web.app.__file__).with_name("static")
AT_ONCE = ("address.js",)  # what the device's own screen asks for, beside what is imported


def first_load(page: str) -> dict[str, int]:
    """The bytes of each script and style sheet, uncompressed, by name.

    Args:
        page: The page's HTML.
    """
    sizes: dict[str, int] = {}
    found = {*re.findall(r"/static/([\w.-]+)", page), *AT_ONCE}
    while found:
        name = found.pop()
        sizes[name] = (STATIC / name).stat().st_size
        script = (STATIC / name).read_text("utf-8") if name.endswith(".js") else ""
        imported = re.findall(r'^(?:import|\} from).*"\./([\w.-]+)";$', script, re.M)
        found |= {*imported} - sizes.keys()
    return sizes
