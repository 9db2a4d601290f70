"""Hold a device at the catalogue that the fleet's owner pins; see `sync.fleet.desired`.

The deployment state says who pinned a version, so that what a person pinned at the device stays
pinned when the fleet's owner pins nothing.
"""

from __future__ import annotations

from catalog.bundles.deployment_state import DeploymentState
from catalog.bundles.shelf import Shelf, is_sound
from sync.fleet.desired import Desired
from sync.trust.release import Release

FLEET = "fleet"  # as `DeploymentState.pinned_by`


def obey(shelf: Shelf, desired: Desired | None, engine: str) -> None:
    """Make the pinned version active and pin it, if it is here undamaged; else pin nothing.

    What a person pinned at the device stays pinned until there is a version to pin instead.

    Args:
        shelf: The shelf.
        desired: What is wanted; None where that is not known, which changes nothing.
        engine: Which engine validates bundles: a version that was rejected here is not taken.

    Raises:
        ShelfError: Another process is changing the shelf.
    """
    if desired is None or _is_obeyed(shelf, desired, engine):
        return
    with shelf.changing():
        state = shelf.state()
        bundle = _pinned_version(shelf, state, desired, engine)
        active = shelf.active()
        switches = bundle is not None and (active is None or active.name != bundle)
        if bundle is not None and switches and not is_sound(shelf.versions / bundle):
            bundle, switches = None, False  # the channel's newest is fetched again, if it is that
        if bundle is None and state.pinned_by != FLEET:
            return
        changes: dict[str, object] = {"pinned": bundle, "pinned_by": FLEET if bundle else ""}
        if switches:
            changes["trial"] = None
        shelf.save_state(state.model_copy(update=changes))
        if bundle is not None and switches:
            shelf.switch(bundle)


def make_way(shelf: Shelf, desired: Desired | None, release: Release, engine: str) -> None:
    """End a pin by hand that is against a release which the fleet's owner pins.

    Raises:
        ShelfError: Another process is changing the shelf.
    """
    if desired is None or not desired.pins(release.bundle, release.number):
        return
    state = shelf.state()
    if state.pinned_by == FLEET or state.pinned in (None, release.bundle):
        return
    if state.rejection(release.bundle, engine) is None:
        with shelf.changing():
            shelf.save_state(shelf.state().model_copy(update={"pinned": None}))


def refusal(desired: Desired | None, release: Release) -> str:
    """Why a release is not taken; empty where no pin is against it."""
    if desired is None or desired.pin is None or desired.pins(release.bundle, release.number):
        return ""
    return (
        f"the fleet's owner pins {desired.pin}, and the channel's newest is release "
        f"{release.number}, {release.bundle}"
    )


def _is_obeyed(shelf: Shelf, desired: Desired, engine: str) -> bool:
    state, active = shelf.state(), shelf.active()
    bundle = _pinned_version(shelf, state, desired, engine)
    if bundle is None:
        return state.pinned_by != FLEET
    is_active = active is not None and active.name == bundle
    return is_active and state.pinned == bundle and state.pinned_by == FLEET


def _pinned_version(
    shelf: Shelf, state: DeploymentState, desired: Desired, engine: str
) -> str | None:
    """The version on the shelf that is to be pinned: the newest where several begin so."""
    if not shelf.versions.is_dir():
        return None
    found = [
        folder.name
        for folder in shelf.versions.iterdir()
        if desired.pins(folder.name, state.releases.get(folder.name))
        and state.rejection(folder.name, engine) is None
    ]
    return max(found, default=None)
