"""Notice a newly activated catalogue and open it beside the loop, which never waits for it."""

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

INTERVAL_S = 1.0
RETRY_S = 15.0  # after a failure of the machine, not of the bundle

log = logging.getLogger(__name__)


class ShelfWatcher:
    """Watches the shelf on a thread of its own.

    Args:
        shelf: The shelf.
        current: Gives the bundle that is in use.
        on_change: Called with the phase, the bundle's id and a message.
    """

    def __init__(
        self,
        shelf: Shelf,
        current: Callable[[], Bundle],
        on_change: Callable[[Phase, str, str], None],
    ) -> None:
        self._shelf = shelf
        self._current = current
        self._on_change = on_change
        self._ready: Bundle | None = None
        self._tried: int | None = None  # the activation that was tried already
        self._retry_at = 0.0  # monotonic seconds; nothing is tried before
        self._failed = False

    def take(self) -> Bundle | None:
        """Hand over the newly opened bundle, once; None where there is none."""
        bundle = self._ready
        if bundle is not None:  # a bundle that becomes ready meanwhile must not be lost
            self._ready = None
        return bundle

    def watch(self, stopping: threading.Event) -> None:
        """Check the shelf every second until `stopping` is set."""
        while not stopping.wait(INTERVAL_S):
            try:
                self.check()
            except Exception as error:  # no content of the shelf may end the watch
                log.error("the active catalogue cannot be opened, the old one stays: %s", error)

    def check(self) -> None:
        """Open the active bundle, unless it is in use or this activation was tried before.

        Raises:
            BundleError: The bundle is damaged.
            FeaturizerError: Its network cannot be run.
        """
        # Read before the link: where both change meanwhile, the bundle is opened once too often
        # instead of never.
        activation = self._shelf.activation()
        active = self._shelf.active()
        current = self._current()
        if active is None or active.name == current.id:
            if self._failed:
                self._failed = False
                self._on_change("open", current.id, "")
            self._tried = None
            return
        if activation == self._tried or time.monotonic() < self._retry_at:
            return
        self._tried = activation
        self._on_change("opening", active.name, "")
        try:
            validator.validate(active, current.featurizer.engine)  # the digests as well
            self._ready = Bundle.open(active, current.featurizer.engine, verified=True)
        except (BundleError, FeaturizerError) as error:
            self._failed = True
            self._on_change("failed", active.name, str(error))
            raise
        except Exception:  # the machine lacks memory or a package; the bundle may be sound
            self._tried, self._retry_at = None, time.monotonic() + RETRY_S
            self._on_change("open", current.id, "")
            raise
