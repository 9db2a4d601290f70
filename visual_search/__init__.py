"""Hold a thing before a camera, and this device finds it in its catalogue, offline.

This is the Python interface; what is not named here may change:

- `Catalogue`: open a catalogue, ask it, build one.
- `Answer`, `ItemMatch`, `Item`, `Photo`, `Verdict`: what it returns.
- `ReadOptions`, `BuildOptions`, `BuildReport`, `SkippedPhoto`: what a build takes and tells.
- `VisualSearchError`: the root of all errors that are raised on purpose.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from visual_search.system import require_linux

if TYPE_CHECKING:
    from catalog.building.build import BuildOptions, BuildReport
    from catalog.building.features import SkippedPhoto
    from catalog.bundles.items import Item, Photo
    from catalog.catalogue import Answer, Catalogue, ItemMatch
    from catalog.core.errors import VisualSearchError
    from catalog.recognition.decision import Verdict
    from catalog.sources.source import ReadOptions

__all__ = [
    "Answer",
    "BuildOptions",
    "BuildReport",
    "Catalogue",
    "Item",
    "ItemMatch",
    "Photo",
    "ReadOptions",
    "SkippedPhoto",
    "Verdict",
    "VisualSearchError",
]

_MODULES = {
    "Answer": "catalog.catalogue",
    "BuildOptions": "catalog.building.build",
    "BuildReport": "catalog.building.build",
    "Catalogue": "catalog.catalogue",
    "Item": "catalog.bundles.items",
    "ItemMatch": "catalog.catalogue",
    "Photo": "catalog.bundles.items",
    "ReadOptions": "catalog.sources.source",
    "SkippedPhoto": "catalog.building.features",
    "Verdict": "catalog.recognition.decision",
    "VisualSearchError": "catalog.core.errors",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first used: the command starts without OpenCV."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name != "VisualSearchError":  # which is there to be caught
        require_linux()
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
