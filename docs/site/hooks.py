"""What MkDocs does beside docs/: pages from the root of the repository, and generated ones.

A link from a page to a file of the repository that is no page becomes a link to a copy of it,
so that the site needs no other server.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from commands import reference  # MkDocs finds it beside this file
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from visual_search.command import command

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "training/README.md": "training.md",
}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and files that do not lie in docs/."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    text = reference(command, "visual-search")
    files.append(File.generated(config, "reference/commands.md", content=text))
    for page in files.documentation_pages():
        for link in LINK.findall(page.content_string):
            target = _in_repository(page.src_uri, link)
            copy = f"files/{target}"
            if not _page_or_picture(target) and files.get_file_from_path(copy) is None:
                files.append(File.generated(config, copy, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    here = posixpath.dirname(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        target = _in_repository(page.file.src_uri, match[1])
        found = _page_or_picture(target) or f"files/{target}"
        return posixpath.relpath(found, here or ".")

    return LINK.sub(replaced, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leave out the two colons that announce a block of text in a docstring."""
    return html.replace("<p>::</p>", "")


def _in_repository(page: str, link: str) -> str:
    """The path in the repository that a link of a page leads to."""
    source = next((one for one, name in PAGES.items() if name == page), f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _page_or_picture(target: str) -> str | None:
    """Where a file of the repository is in the site, if it is part of it anyway."""
    if target in PAGES:
        return PAGES[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else None
