"""The sentences of the page, and the files of their translations brought up to date.

python -m tests.support.sentences
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

import edge.web.languages
from edge.web.languages import ENGLISH, FOLDER, LANGUAGES

WEB = Path(edge.web.languages.__file__).parent
EDGE = WEB.parent
DEVICE_KEYWORDS = {"Words": None}  # see edge/words.py
KEYWORDS = {"say": None, "sayParts": None}
OPTIONS = {"parse_template_string": True}
OTHERS = ("plain.html",)  # templates that speak English alone


def page_sentences() -> Iterator[tuple[str, str]]:
    """Each English sentence of the page and of the device, with the file in which it stands."""
    for folder, method in (("templates", "jinja2.ext:babel_extract"), ("static", "javascript")):
        for file in sorted((WEB / folder).glob("*.html" if folder == "templates" else "*.js")):
            if file.name in OTHERS:
                continue
            with file.open("rb") as opened:
                for _, text, _, _ in extract(method, opened, KEYWORDS, options=OPTIONS):
                    assert isinstance(text, str), file
                    yield text, file.name
    for file in sorted(EDGE.rglob("*.py")):
        with file.open("rb") as opened:
            for _, text, _, _ in extract("python", opened, DEVICE_KEYWORDS):
                assert isinstance(text, str), file
                yield text, file.relative_to(EDGE).as_posix()


def main() -> None:
    """Add new sentences to each file, without a translation, and drop those that are gone."""
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        path = FOLDER / f"{language}.po"
        known = Catalog(locale=language)
        if path.exists():
            with path.open("rb") as file:
                known = read_po(file, locale=language)
        updated = Catalog(locale=language, project="visual-search", charset="utf-8")
        for text, name in page_sentences():
            old = known.get(text)
            updated.add(text, old.string if old else "", locations=[(name, 1)])
        with path.open("wb") as file:
            write_po(file, updated, width=100, omit_header=True, include_lineno=False)


if __name__ == "__main__":
    main()
