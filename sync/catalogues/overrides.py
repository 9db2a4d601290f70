"""What the owner of a device does with its versions by hand: go back, pin, follow again."""

from __future__ import annotations

from catalog.bundles.deployment_state import SkippedRelease
from catalog.bundles.shelf import Shelf
from catalog.core.errors import ShelfError


def roll_back(shelf: Shelf) -> str:
    """Go back to the previous version; the one left, whose id is returned, is declined.

    Raises:
        ShelfError: There is none, the active one is pinned, or somebody else is at it.
    """
    with shelf.changing():
        ledger = shelf.state()
        active, previous = shelf.active(), shelf.previous()
        if active is None or previous is None or previous == active:
            raise ShelfError(f"{shelf.folder}: there is no version to go back to")
        if ledger.pinned is not None:
            raise ShelfError(f"{ledger.pinned} is pinned; first run: visual-search sync unpin")
        if ledger.declined is not None and ledger.declined.bundle == previous.name:
            raise ShelfError(
                f"{previous.name} was gone back from already; to return to it run: "
                "visual-search sync unpin"
            )
        declined = SkippedRelease(bundle=active.name, release=ledger.releases.get(active.name))
        shelf.save_state(ledger.model_copy(update={"declined": declined, "trial": None}))
        shelf.roll_back(keep=True)
    return active.name


def pin(shelf: Shelf, wanted: str) -> str:
    """Make a version on the shelf the active one, and let it stay; its id is returned.

    Args:
        shelf: The shelf.
        wanted: Its id, the beginning of that, or the number of its release.

    Raises:
        ShelfError: It is not there, or somebody else is changing the shelf.
    """
    with shelf.changing():
        ledger = shelf.state()
        here = sorted(one.name for one in shelf.versions.iterdir())
        found = [
            one for one in here if one.startswith(wanted) or str(ledger.releases.get(one)) == wanted
        ]
        if len(found) != 1 or not wanted:
            raise ShelfError(
                f"{wanted!r}: {'several versions' if found else 'no version'} of that name on "
                f"this device; there are: {', '.join(here) or 'none'}"
            )
        shelf.save_state(ledger.model_copy(update={"pinned": found[0], "trial": None}))
        active = shelf.active()
        if active is None or active.name != found[0]:
            shelf.switch(found[0])
    return found[0]


def unpin(shelf: Shelf, newest: str | None) -> None:
    """Follow the channel again, also to its `newest` bundle if that was left or rejected.

    Raises:
        ShelfError: Somebody else is changing the shelf.
    """
    with shelf.changing():
        ledger = shelf.state()
        rejected = {bundle: one for bundle, one in ledger.rejected.items() if bundle != newest}
        changes = {"pinned": None, "declined": None, "rejected": rejected}
        shelf.save_state(ledger.model_copy(update=changes))
