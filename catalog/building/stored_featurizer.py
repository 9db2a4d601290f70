"""The featurizers of a feature store: the networks, with their weights and projection.

::

    featurizers/<id>/   the files that a bundle has of its featurizer
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePosixPath

from catalog.building.feature_store import FeatureStore
from catalog.core.errors import ContentError
from catalog.networks.featurizer import Featurizer

FEATURIZERS = "featurizers"
FEATURIZER = re.compile(r"[0-9a-f]{16}")  # an id; it becomes part of a path


def open_featurizer(store: FeatureStore, identity: str, cache: Path, engine: str) -> Featurizer:
    """Open a featurizer of a store; its files are fetched into a folder once.

    Raises:
        ContentError: The store has no such featurizer, or it is another one.
    """
    if not FEATURIZER.fullmatch(identity):
        raise ContentError(f"{store.address}: {identity[:60]!r} is no id of a featurizer")
    folder = cache / FEATURIZERS / identity
    if not folder.is_dir():
        _fetch_featurizer(store, identity, folder)
    return Featurizer.open(folder, engine)


def save_featurizer(store: FeatureStore, featurizer: Featurizer) -> None:
    """Write a featurizer's folder into a store, as far as it is not there."""
    there = store.names(f"{FEATURIZERS}/{featurizer.id}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "featurizer")
        featurizer.write(folder)
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and name not in there:
                store.write(f"{FEATURIZERS}/{featurizer.id}/{name}", file.read_bytes())


def _fetch_featurizer(store: FeatureStore, identity: str, folder: Path) -> None:
    names = store.names(f"{FEATURIZERS}/{identity}")
    if not names:
        raise ContentError(f"{store.address}: has no featurizer {identity}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        content = Path(temporary, identity)
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ContentError(f"{store.address}: {name!r} is no file of a featurizer")
            file = content / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(store.read(f"{FEATURIZERS}/{identity}/{name}"))
        if (found := Featurizer.open(content).id) != identity:
            raise ContentError(f"{store.address}: its featurizer {identity} is {found} in truth")
        try:
            content.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
