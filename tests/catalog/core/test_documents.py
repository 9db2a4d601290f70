"""Messages name documents that are there: those of the source, or a device's copy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from catalog.core.documents import with_documents
from catalog.core.findings import Finding, show
from edge.web.staff.sentences import sentence
from visual_search.command import main

ROOT = Path(__file__).parents[3]
ON_DEVICE = "/usr/share/doc/visual-search/docs"


def test_on_a_device_messages_name_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "mend it; see docs/settings.md, or /shop/docs/own.md, https://a/docs/b.md and docs/x.txt"
    assert with_documents(text) == text
    monkeypatch.setattr(sys, "prefix", "/opt/visual-search/0.2.0+deb12")
    assert with_documents(text) == text.replace("see docs/", f"see {ON_DEVICE}/")
    assert sentence("see docs/lan.md") == f"See {ON_DEVICE}/lan.md."
    show([Finding("sync", "note", "it ended", "see docs/sync.md")], as_json=True)
    for words in (["setup", "--help"], ["setup", "--from", str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", ["visual-search", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert f"as {ON_DEVICE}/install.md shows it" in str(ended.value)
    printed = capsys.readouterr().out
    assert f"see {ON_DEVICE}/sync.md" in printed
    assert f"{ON_DEVICE}/install.md)" in printed


def test_each_document_that_the_program_names_is_there() -> None:
    folders = ("catalog", "edge", "sync", "visual_search", "device")
    files = [file for name in folders for file in (ROOT / name).rglob("*") if file.is_file()]
    texts = [file.read_text() for file in files if file.suffix in (".py", ".toml", ".1")]
    named = {name for text in texts for name in re.findall(r"\bdocs/[a-z_-]+\.md", text)}
    assert "docs/install.md" in named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
