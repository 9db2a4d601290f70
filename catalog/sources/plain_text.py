"""Turn the HTML of a shop's descriptions into plain text."""

from __future__ import annotations

import html
import re

BLOCKS = frozenset(
    "address article blockquote br dd div dl dt figure footer h1 h2 h3 h4 h5 h6 header hr li ol p "
    "pre section table td th tr ul".split()
)
INLINE = frozenset(
    "a abbr b code del em figcaption font i iframe img ins mark s small span strike strong sub "
    "sup tbody thead tfoot u video".split()
)
# No pattern goes far back, and none reads on over another beginning of the same kind: whatever the
# text is, the time to read it grows with its length alone.
TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-z][a-z0-9]*+)"
    r"""(?P<rest>(?:[\s/](?:"[^"]*+"|'[^']*+'|[^<>"']++)*+)?)>""",
    re.IGNORECASE,
)
SILENT = re.compile(
    r"<(script|style)\b[^<>]*>(?:(?!<\1\b).)*?</\1\s*>"
    r"|<!--(?:(?!<!--|-->).)*-->|<!doctype\b[^<>]*>|<!\[(?:end)?if\b[^<>]*>"
    r"|<!\[CDATA\[|\]\]>",
    re.IGNORECASE | re.DOTALL,
)
QUOTED = re.compile(r"""\w\s*=\s*["']""")
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")


def plain_text(text: str) -> str:
    """Return text without HTML tags and entities; text that has none stays as it is.

    "Size <S>" and "Bolt <M8>" have no tags.
    """
    if "<" in text and any(map(_is_surely_html, TAG.finditer(text))):
        return _without_tags(SILENT.sub("", text))
    return without_entities(text) if "&" in text else text


def without_entities(text: str) -> str:
    """Return text with the characters that whole entities such as ``&quot;`` stand for."""
    return ENTITY.sub(lambda found: html.unescape(found[0]), text)


def _is_surely_html(tag: re.Match[str]) -> bool:
    name = tag["name"].lower()
    if name in BLOCKS:
        return True
    return name in INLINE and bool(tag["end"] or QUOTED.search(tag["rest"]))


def _without_tags(text: str) -> str:
    """Return the lines between the tags, each with its white space collapsed."""
    ended = {tag["name"].lower() for tag in TAG.finditer(text) if tag["end"]}

    def replacement(tag: re.Match[str]) -> str:
        name = tag["name"].lower()
        if name in BLOCKS:
            return "\n"
        is_word = name not in INLINE or (len(name) == 1 and name not in ended)
        return tag[0] if is_word and not tag["end"] and not QUOTED.search(tag["rest"]) else ""

    lines = TAG.sub(replacement, text.replace("\n", " ")).split("\n")
    collapsed = (" ".join(without_entities(line).split()) for line in lines)
    return "\n".join(line for line in collapsed if line)
