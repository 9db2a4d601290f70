"""Every error that visual-search raises on purpose.

::

    VisualSearchError
    ├── ContentError            what was given is wrong: mend it and try again
    │   ├── PhotoError          a picture that cannot be used
    │   ├── TableError          a CSV or JSONL catalogue that cannot be read
    │   ├── FeaturizerError     a network, or its descriptor, that cannot be used
    │   ├── BundleError         a bundle that is damaged, foreign or unfit
    │   ├── TrustError          signed metadata that is forged, expired or older than known
    │   ├── EventError          an event that cannot be reported as it is
    │   └── SettingsError       a settings file, key or variable that is wrong
    ├── SurroundingsError       the machine lacks something: room, a port, a package
    │   ├── MissingExtraError   an optional package is not installed
    │   ├── CameraError         a camera that cannot be opened or read
    │   ├── PortError           an address that cannot be listened on
    │   ├── ShelfError          the data folder cannot be used
    │   └── OutboxError         the outbox cannot be used
    └── NetworkError            an address that cannot be fetched
        ├── StoreError          a store that cannot be reached, refuses, or lacks something
        └── TransportError      a way out that cannot be reached or refuses

The message says what happened, to which thing, and what to do about it.
"""


class VisualSearchError(Exception):
    """Root of all errors raised on purpose."""


class ContentError(VisualSearchError):
    """What was given is wrong."""


class PhotoError(ContentError):
    """A picture that cannot be used."""


class TableError(ContentError):
    """A CSV or JSONL catalogue that cannot be read."""


class FeaturizerError(ContentError):
    """A network, or its descriptor, that cannot be used."""


class BundleError(ContentError):
    """A bundle that is damaged, foreign or unfit."""


class TrustError(ContentError):
    """Signed metadata that is forged, expired or older than what is known."""


class EventError(ContentError):
    """An event that cannot be reported as it is."""


class SettingsError(ContentError):
    """A settings file, key or environment variable that is wrong."""


class SurroundingsError(VisualSearchError):
    """The machine lacks something."""


class MissingExtraError(SurroundingsError):
    """An optional package is not installed.

    Args:
        purpose: What it is wanted for, as the subject of a sentence.
        extra: Name of the extra in ``setup.py``.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs a package that is not installed; "
            f"install it with: pip install 'visual-search[{extra}]'"
        )
        self.extra = extra


class CameraError(SurroundingsError):
    """A camera that cannot be opened or read."""


class PortError(SurroundingsError):
    """An address that cannot be listened on."""


class ShelfError(SurroundingsError):
    """The data folder cannot be used."""


class OutboxError(SurroundingsError):
    """The outbox cannot be used."""


class NetworkError(VisualSearchError):
    """An address that cannot be fetched."""


class StoreError(NetworkError):
    """A store that cannot be reached, refuses, or lacks something."""


class TransportError(NetworkError):
    """A way out that cannot be reached or refuses."""
