"""What a manifest may say; what the files beside it must be is tested with the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.bundles.manifest import (
    FILES,
    LOCAL,
    LONGEST_NAME,
    MANIFEST,
    FileEntry,
    Manifest,
    is_bundle,
    parse_manifest,
    read_manifest,
)
from catalog.core.errors import BundleError

ENTRY = FileEntry(bytes=1, sha256="0" * 64)


@pytest.fixture
def content(small_bundle: Path) -> dict[str, Any]:
    """What a manifest says."""
    found: dict[str, Any] = json.loads((small_bundle / MANIFEST).read_bytes())
    return found


def parsed(content: Any) -> Manifest:
    return parse_manifest(json.dumps(content).encode(), "m")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("notes.txt", True),
        ("a/b/c.txt", True),
        ("a" * LONGEST_NAME, True),
        ("ä" * (LONGEST_NAME // 2) + "x", True),
        ("a/" + "b" * LONGEST_NAME, True),
        ("a" * (LONGEST_NAME + 1), False),
        ("ä" * (LONGEST_NAME // 2) + "xx", False),
        (MANIFEST, False),
        (LOCAL, False),
        ("", False),
        (".", False),
        ("/etc/passwd", False),
        ("a//b", False),
        ("a/../../b", False),
        ("..", False),
        ("a/./b", False),
        ("a\nb", False),
        ("a\0b", False),
        ("\ud800", False),
        ("featurizer", False),  # a folder of other files
    ],
)
def test_a_name_stays_inside_the_folder(content: dict[str, Any], name: str, may: bool) -> None:
    content["files"][name] = ENTRY.model_dump()
    if may:
        assert name in parsed(content).files
        return
    with pytest.raises(BundleError, match="is no name for a file of a bundle"):
        parsed(content)


@pytest.mark.parametrize("name", FILES)
def test_each_file_that_a_bundle_needs_is_listed(content: dict[str, Any], name: str) -> None:
    del content["files"][name]
    with pytest.raises(BundleError, match=f"m: the manifest lists no {name}"):
        parsed(content)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[]", "not a bundle's manifest: "),
        (b"3", "not a bundle's manifest: "),
        (b"{", "not a bundle's manifest: "),
        (b"[" * 100_000, "not a bundle's manifest: "),
        (b"{}", "format None is not known; update"),
        (b'{"format": 3}', "format 3 is not known; update"),
        (b'{"format": 2}', "not a bundle's manifest: created: Field required; build the bundle"),
    ],
)
def test_what_is_no_manifest_is_said(data: bytes, said: str) -> None:
    with pytest.raises(BundleError) as refused:
        parse_manifest(data, "m")
    assert str(refused.value).startswith(f"m: {said}")


def test_a_bundle_of_another_version_is_one_too(content: dict[str, Any], tmp_path: Path) -> None:
    assert not is_bundle(tmp_path)
    file = tmp_path / MANIFEST
    for said, is_one in (
        (content, True),
        (content | {"format": 99}, True),
        ({"format": 99, "featurizer": {}, "files": {}}, True),
        ({"format": 99, "files": {}}, False),
        (["format", "featurizer", "files"], False),
    ):
        file.write_text(json.dumps(said))
        assert is_bundle(tmp_path) is is_one
    file.write_text("{")
    assert not is_bundle(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        read_manifest(tmp_path)
