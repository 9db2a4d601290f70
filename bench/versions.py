"""Versions of a bundle: on a shelf, or without its local features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from catalog.bundles.manifest import MANIFEST, describe_files, read_manifest
from catalog.bundles.shelf import Shelf
from catalog.recognition.local_features.store import FOLDER as LOCAL_FEATURES


def two_versions(bundle: Path, folder: Path) -> Shelf:
    """A shelf with two versions of a bundle, which differ by their title."""
    shelf = Shelf(folder / "shelf")
    for title in ("one", "two"):
        copy = Path(shutil.copytree(bundle, folder / title))
        retitle(copy, title)
        identity = read_manifest(copy)[1]
        with shelf.changing():
            shelf.place(copy, identity)
            shelf.switch(identity)
    return shelf


def retitle(bundle: Path, title: str, **changes: Any) -> None:
    """Change the manifest of a bundle, so that it becomes another one."""
    file = bundle / MANIFEST
    manifest = json.loads(file.read_bytes()) | {"title": title} | changes
    file.unlink()
    manifest["files"] = {name: entry.model_dump() for name, entry in describe_files(bundle).items()}
    file.write_text(json.dumps(manifest))


def without_local_features(bundle: Path, target: Path) -> Path:
    """A copy of a bundle that compares vectors and colours alone."""
    if not target.exists():
        shutil.copytree(bundle, target)
        shutil.rmtree(target / LOCAL_FEATURES, ignore_errors=True)
        retitle(target, "without local features", printed=None)
    return target
