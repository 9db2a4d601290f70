"""Open the bundle that the appliance begins with, and write how that goes for other processes."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.manifest import local_files, verify
from catalog.bundles.passed import has_passed, remember_passed
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, FeaturizerError, ShelfError
from catalog.core.state import Phase, edge_state, write_edge_state
from edge.appliance.event_recorder import EventRecorder

log = logging.getLogger(__name__)


@dataclass
class Opened:
    """What the appliance begins with.

    Attributes:
        bundle: The open bundle; None where the device has none yet, or none that is sound.
        failure: Why the active bundle is not open; empty where it is, or where none is active.
    """

    bundle: Bundle | None
    failure: str = ""

    def hand_over(self) -> Bundle | None:
        """Give the bundle away, once: it closes as soon as nobody refers to it any more."""
        bundle, self.bundle = self.bundle, None
        return bundle


def open_bundle(
    bundle: Path | None,
    shelf: Shelf,
    state_folder: Path,
    engine: str,
    recorder: EventRecorder | None = None,
) -> Opened:
    """Open a bundle, or the one that is active on the shelf.

    When the active bundle is damaged, the one before it is served, and that is recorded. Where the
    shelf has none that can be opened, the device serves without one and waits.

    Args:
        bundle: The bundle to serve; None for the shelf's.
        shelf: The device's shelf.
        state_folder: Where the process writes its state.
        engine: The engine that runs the bundle's network.
        recorder: Records a damaged bundle; None to record nothing.

    Raises:
        BundleError: `bundle` cannot be opened; says what to do.
    """
    if bundle is not None:
        return Opened(_open_named(bundle, state_folder, engine))
    active, previous = shelf.active(), shelf.previous()
    if active is None:
        return Opened(None)
    write_phase(state_folder, "opening", active.name)
    try:
        return Opened(Bundle.open(active, engine))
    except (BundleError, FeaturizerError) as error:
        failure = str(error)
        write_phase(state_folder, "failed", active.name, failure)
    log.error("%s", failure)
    if previous is not None:
        with suppress(BundleError, FeaturizerError):
            opened = Bundle.open(previous, engine)
            log.error("going back to the catalogue before it, %s", opened.id)
            if recorder is not None:
                recorder.catalogue_rejected(active.name, failure, opened.id)
            return Opened(opened, failure)
    return Opened(None, failure)


def _open_named(bundle: Path, state_folder: Path, engine: str) -> Bundle:
    """Open a bundle that did not come by the shelf; validate it where it is new on this device."""
    _, identity = verify(bundle)
    foreign_index = bool(local_files(bundle))  # the id does not say which
    if foreign_index or not has_passed(state_folder, identity, engine):
        validator.validate_in_child(bundle, identity, engine)
        if not foreign_index:
            remember_passed(state_folder, identity, engine)
    opened = Bundle.open(bundle, engine, verified=True)
    if opened.id != identity:
        raise BundleError(f"{bundle}: was rebuilt while it was checked; try again")
    return opened


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
