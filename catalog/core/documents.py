"""Where the documents lie that messages name: `docs/` of the source, or a device's own copy."""

from __future__ import annotations

import re

from catalog.core.errors import is_packaged

PLACE = "/usr/share/doc/visual-search/"  # where a device's package has `docs/`
_NAMED = re.compile(r"(?<![\w./-])docs/[\w-]+\.md\b")


def with_documents(text: str) -> str:
    """Return a text in which each `docs/NAME.md` is a file on this device, where it is one."""
    return _NAMED.sub(rf"{PLACE}\g<0>", text) if is_packaged() else text
