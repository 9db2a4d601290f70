"""Open the bundle that the appliance begins with, and write how that goes for other processes."""

from __future__ import annotations

import logging
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, ShelfError
from catalog.core.state import Phase, edge_state, write_edge_state
from edge.appliance.event_recorder import EventRecorder

log = logging.getLogger(__name__)


def open_bundle(
    bundle: Path | None,
    shelf: Shelf,
    state_folder: Path,
    engine: str,
    recorder: EventRecorder | None = None,
) -> tuple[Bundle, bool]:
    """Open a bundle, or the one that is active on the shelf.

    When the active bundle is damaged, the one before it is served, and that is recorded.

    Args:
        bundle: The bundle to serve; None for the shelf's.
        shelf: The device's shelf.
        state_folder: Where the process writes its state.
        engine: The engine that runs the bundle's network.
        recorder: Records a damaged bundle; None to record nothing.

    Returns:
        The open bundle, and whether it is the shelf's.

    Raises:
        BundleError: There is no bundle, or none can be opened; says what to do.
    """
    if bundle is not None:
        passed = validator.validate(bundle, engine)
        opened = Bundle.open(bundle, engine)
        if opened.id != passed.bundle:
            raise BundleError(f"{bundle}: was rebuilt while it was checked; try again")
        return opened, False
    active, previous = shelf.active(), shelf.previous()
    if active is None:
        raise BundleError(
            "no catalogue is active on this device; make one with "
            "'visual-search catalog build PHOTOS --out BUNDLE' and then "
            "'visual-search catalog activate BUNDLE', or look at 'visual-search demo'"
        )
    write_phase(state_folder, "opening", active.name)
    try:
        return Bundle.open(active, engine), True
    except BundleError as error:
        write_phase(state_folder, "failed", active.name, str(error))
        if previous is None:
            raise
        log.error("%s; going back to the catalogue before it", error)
        opened = Bundle.open(previous, engine)
        if recorder is not None:
            recorder.catalogue_rejected(active.name, str(error), opened.id)
        return opened, True


def write_phase(
    folder: Path, phase: Phase, bundle: str, message: str = "", *, follows: bool = True
) -> None:
    """Write this process's state for other processes to read.

    Args:
        folder: The device's state folder.
        phase: What the process does with the bundle.
        bundle: The bundle's id.
        message: Why it failed; empty where it did not.
        follows: Whether the process follows the shelf.
    """
    try:
        write_edge_state(folder, edge_state(phase, bundle, message, follows=follows))
    except ShelfError as error:  # a full disk must not stop the camera
        log.error("%s", error)
