"""Notices a newly activated catalogue and opens it beside the loop, which never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from catalog.bundles import validator
from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import BundleError, FeaturizerError
from catalog.core.state import Phase

EVERY_S = 1.0
AGAIN_S = 15.0  # after a failure that says nothing of the bundle

log = logging.getLogger(__name__)


class ShelfWatch:
    """Watches the shelf on a thread of its own.

    Args:
        shelf: The shelf.
        current: The bundle that is in use.
        say: Told what is going on: phase, bundle id, message.
    """

    def __init__(
        self, shelf: Shelf, current: Callable[[], Bundle], say: Callable[[Phase, str, str], None]
    ) -> None:
        self._shelf = shelf
        self._current = current
        self._say = say
        self._ready: Bundle | None = None
        self._tried: int | None = None  # the activation that was tried already
        self._again = 0.0  # not before; monotonic seconds
        self._failed = False

    def take(self) -> Bundle | None:
        """The newly opened bundle, once; None when there is none."""
        bundle = self._ready
        if bundle is not None:  # else one that comes in between would be lost
            self._ready = None
        return bundle

    def watch(self, stopping: threading.Event) -> None:
        """Look at the shelf every second until `stopping` is set."""
        while not stopping.wait(EVERY_S):
            try:
                self.look()
            except Exception as error:  # nothing that lies on the shelf may end the watch
                log.error("the active catalogue cannot be opened, the old one stays: %s", error)

    def look(self) -> None:
        """Open what is active, unless it is in use or this activation was tried before."""
        activation = self._shelf.activation()  # before what it may be of: rather once too often
        active = self._shelf.active()
        current = self._current()
        if active is None or active.name == current.id:
            if self._failed:
                self._failed = False
                self._say("open", current.id, "")
            self._tried = None
            return
        if activation == self._tried or time.monotonic() < self._again:
            return
        self._tried = activation
        self._say("opening", active.name, "")
        try:
            validator.validate(active, current.featurizer.engine)  # the digests too
            self._ready = Bundle.open(active, current.featurizer.engine, verified=True)
        except (BundleError, FeaturizerError) as error:
            self._failed = True
            self._say("failed", active.name, str(error))
            raise
        except Exception:  # no memory, no package: no verdict
            self._tried, self._again = None, time.monotonic() + AGAIN_S
            self._say("open", current.id, "")
            raise
