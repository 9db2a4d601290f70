"""What an operator does by hand to the versions on a device: roll back, pin, unpin.

A release that was rolled back by hand is skipped until there is a newer one; the deployment state
calls it ``declined``.
"""

from __future__ import annotations

from catalog.bundles.deployment_state import SkippedRelease
from catalog.bundles.shelf import Shelf
from catalog.core.errors import ShelfError
from sync.catalogues.fleet_pin import FLEET


def roll_back(shelf: Shelf) -> str:
    """Make the previous version active, and skip the one that was active; returns its id.

    Raises:
        ShelfError: There is no previous version, the active one is pinned, or another process is
            changing the shelf.
    """
    with shelf.changing():
        state = shelf.state()
        active, previous = shelf.active(), shelf.previous()
        if active is None or previous is None or previous == active:
            raise ShelfError(f"{shelf.folder}: there is no version to go back to")
        if state.pinned is not None and state.pinned_by == FLEET:
            raise ShelfError(f"{state.pinned}: the fleet's owner pins it: change the shadow")
        if state.pinned is not None:
            raise ShelfError(f"{state.pinned} is pinned; first run: visual-search sync unpin")
        if state.declined is not None and state.declined.bundle == previous.name:
            raise ShelfError(
                f"{previous.name} was gone back from already; to return to it run: "
                "visual-search sync unpin"
            )
        skipped = SkippedRelease(bundle=active.name, release=state.releases.get(active.name))
        shelf.save_state(state.model_copy(update={"declined": skipped, "trial": None}))
        shelf.roll_back(keep=True)
    return active.name


def pin(shelf: Shelf, version: str) -> str:
    """Make a version on the shelf active, and keep it active until `unpin`; returns its id.

    Args:
        shelf: The shelf.
        version: The number of its release; or its id, or the beginning of that, with the date and
            the T at least, because a number means a release.

    Raises:
        ShelfError: It is not on the shelf, or another process is changing the shelf.
    """
    with shelf.changing():
        state = shelf.state()
        names = sorted(folder.name for folder in shelf.versions.iterdir())
        if version.isdecimal():
            found = [name for name in names if str(state.releases.get(name)) == version]
        else:
            found = [name for name in names if name.startswith(version)]
        if len(found) != 1 or not version:
            known = [_with_release(name, state.releases.get(name)) for name in names]
            here = f"there are: {', '.join(known) or 'none'}"
            if version.isdecimal() and not found:
                raise ShelfError(
                    f"no release {version} on this device; {here}; the newest is fetched by: "
                    "visual-search sync once"
                )
            raise ShelfError(
                f"{version!r}: {'several versions' if found else 'no version'} of that name on "
                f"this device; {here}"
            )
        changes = {"pinned": found[0], "pinned_by": "", "trial": None}
        shelf.save_state(state.model_copy(update=changes))
        active = shelf.active()
        if active is None or active.name != found[0]:
            shelf.switch(found[0])
    return found[0]


def _with_release(name: str, release: int | None) -> str:
    return name if release is None else f"{name} (release {release})"


def unpin(shelf: Shelf, newest: str | None) -> None:
    """Follow the channel again, also to `newest` if that was rolled back or rejected.

    Args:
        shelf: The shelf.
        newest: Id of the channel's newest bundle, where that is known.

    Raises:
        ShelfError: Another process is changing the shelf.
    """
    with shelf.changing():
        state = shelf.state()
        rejected = {bundle: entry for bundle, entry in state.rejected.items() if bundle != newest}
        changes = {"pinned": None, "pinned_by": "", "declined": None, "rejected": rejected}
        shelf.save_state(state.model_copy(update=changes))
