"""How the device's catalogue is: quick to import, since nothing is fetched or verified."""

from __future__ import annotations

from pathlib import Path

from catalog.bundles.shelf_view import ShelfView
from catalog.core.locks import locked
from catalog.core.state import SyncState, Version, read_sync_state


def current_state(state_folder: Path, shelf: ShelfView) -> SyncState:
    """The state file's content, with the versions that are on the shelf now."""
    return read_sync_state(state_folder).model_copy(update=versions_on(shelf))


def versions_on(shelf: ShelfView) -> dict[str, Version | str | None]:
    """The versions on a shelf, as fields of `SyncState`."""
    state = shelf.state()

    def version(folder: Path | None) -> Version | None:
        if folder is None:
            return None
        return Version(bundle=folder.name, release=state.releases.get(folder.name))

    return {
        "active": version(shelf.active()),
        "previous": version(shelf.previous()),
        "pinned": state.pinned,
    }


def is_running(shelf: ShelfView) -> bool:
    """Whether a ``sync run`` works on this device."""
    try:
        with locked(shelf.folder / "run.lock"):
            return False
    except BlockingIOError:
        return True
    except OSError:  # the shelf does not exist yet
        return False
