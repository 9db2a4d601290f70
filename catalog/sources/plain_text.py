"""Turn the HTML of a shop's descriptions into plain text."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

BLOCKS = frozenset(
    "address article blockquote br dd div dl dt figure footer h1 h2 h3 h4 h5 h6 header hr li ol p "
    "pre section table td th tr ul".split()
)
INLINE = frozenset(
    "a abbr b code del em figcaption font i iframe img ins mark s small span strike strong sub "
    "sup tbody thead tfoot u video".split()
)
SILENT = frozenset({"script", "style"})
TAG = re.compile(rf"</?(?:{'|'.join(sorted(BLOCKS | INLINE | SILENT))})\b[^<>]*>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")


def plain_text(text: str) -> str:
    """Return text without HTML tags and entities; text that has none stays as it is."""
    if "<" in text and TAG.search(text):
        parser = _Text()
        parser.feed(text)
        parser.close()
        return parser.text()
    return without_entities(text) if "&" in text else text


def without_entities(text: str) -> str:
    """Return text with the characters that whole entities such as ``&quot;`` stand for."""
    return ENTITY.sub(lambda found: html.unescape(found[0]), text)


class _Text(HTMLParser):
    """Collects the text between the tags; each block begins a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent = 0

    def text(self) -> str:
        """Return the lines, each with its white space collapsed."""
        lines = (" ".join(line.split()) for line in "".join(self._parts).split("\n"))
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent += 1
        elif tag in BLOCKS:
            self._parts.append("\n")
        elif tag not in INLINE:  # "Bolt <M8>" is no HTML
            self._parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in BLOCKS:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(" ".join(data.split("\n")))
