"""The errors that visual-search raises on purpose: their root, and those of the catalogue.

::

    VisualSearchError
    ├── ContentError            a given file or value is wrong: correct it and try again
    │   ├── PhotoError          a picture that cannot be used
    │   ├── TableError          a CSV or JSONL catalogue that cannot be read
    │   ├── FeaturizerError     a network, or its descriptor, that cannot be used
    │   ├── BundleError         a bundle that is damaged, foreign or unfit
    │   │   └── SlowBundleError     it did not answer in time
    │   └── SettingsError       a settings file, key or variable that is wrong
    ├── SurroundingsError       the machine lacks something: room, a port, a package
    │   ├── MissingExtraError   an optional package is not installed
    │   └── ShelfError          the data folder cannot be used
    │       ├── ShelfBusyError      another process is changing it
    │       └── DiskFullError       there is no room for what has to be written
    └── NetworkError            an address that cannot be fetched

`sync.errors` and `edge.errors` add errors of the connection and of the device to the same tree.
Each message says what happened, to what, and what to do about it.
"""

from __future__ import annotations

import sys

DEVICE_EXTRAS = ("streams",)  # what a device's package may have beside its own extras
PACKAGED = "/opt/visual-search/"  # where a device's package has its Python


class VisualSearchError(Exception):
    """Root of all errors raised on purpose."""


class ContentError(VisualSearchError):
    """A given file or value is wrong."""


class PhotoError(ContentError):
    """A picture that cannot be used."""


class TableError(ContentError):
    """A CSV or JSONL catalogue that cannot be read."""


class FeaturizerError(ContentError):
    """A network, or its descriptor, that cannot be used."""


class BundleError(ContentError):
    """A bundle that is damaged, foreign or unfit."""


class SlowBundleError(BundleError):
    """A bundle that did not answer in time."""


class SettingsError(ContentError):
    """A settings file, key or environment variable that is wrong."""


class SurroundingsError(VisualSearchError):
    """The machine lacks something."""


def extra_command(extra: str) -> str:
    """Return the command that installs an extra, for the folder that this program came in.

    It names a folder, never the program's name: an index would give whatever has that name there.
    """
    return f"pip install '.[{extra}]'"


def is_packaged() -> bool:
    """Return whether this program is a device's package, to which nothing can be added."""
    return sys.prefix.startswith(PACKAGED)


def how_to_add(extra: str, options: str = "") -> str:
    """Return what adds an extra to this program, or where it must be brought from.

    Args:
        extra: Its name in ``setup.py``.
        options: Of ``pip install``.
    """
    if not is_packaged():
        return f"{extra_command(extra)}{options} in this program's folder"
    if extra in DEVICE_EXTRAS:
        return f"a device's package made by `make device WITH={extra}`, in place of this one"
    return f"a program installed by pip, with the extra {extra}; no device's package has it"


class MissingExtraError(SurroundingsError):
    """An optional package is not installed.

    Args:
        purpose: What needs it, as the subject of a sentence.
        extra: Name of the extra in ``setup.py``.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs a package that is not installed; "
            f"{'wanted is' if is_packaged() else 'install it with'}: {how_to_add(extra)}"
        )
        self.extra = extra


class ShelfError(SurroundingsError):
    """The data folder cannot be used."""


class ShelfBusyError(ShelfError):
    """Another process is changing the data folder; try again in a moment."""


class DiskFullError(ShelfError):
    """There is no room for what has to be written."""


class NetworkError(VisualSearchError):
    """An address that cannot be fetched."""
